/* The part of <stdlib.h> that a policy needs; memory.c has the functions. */
#ifndef SUPERCARGO_STDLIB_H
#define SUPERCARGO_STDLIB_H
#include <stddef.h>
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void free(void *memory);
_Noreturn void abort(void);
#endif
