/* The part of <string.h> that a policy needs; memory.c has the functions. */
#ifndef SUPERCARGO_STRING_H
#define SUPERCARGO_STRING_H
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t strlen(const char *text);
#endif
