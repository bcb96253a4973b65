/* Memory for a policy: handed out and never taken back, because an instance lives for one call.
 * Every block is preceded by its size, for realloc. */
#include <stdlib.h>
#include <string.h>

extern unsigned char __heap_base;

#define PAGE ((size_t)65536)
#define ALIGNMENT ((size_t)16)

static size_t next;

void *malloc(size_t size) {
  if (next == 0) next = (size_t)&__heap_base;
  size_t block = (next + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
  if (size > (size_t)-1 - block) abort();
  size_t end = block + size;
  size_t have = __builtin_wasm_memory_size(0);
  size_t need = end / PAGE + (end % PAGE != 0);
  if (need > have && __builtin_wasm_memory_grow(0, need - have) == (size_t)-1) abort();
  *(size_t *)(block - sizeof(size_t)) = size;
  next = end;
  return (void *)block;
}

void *calloc(size_t count, size_t size) {
  if (size != 0 && count > (size_t)-1 / size) abort();
  return memset(malloc(count * size), 0, count * size);
}

void *realloc(void *old, size_t size) {
  if (old == NULL) return malloc(size);
  size_t had = ((size_t *)old)[-1];
  if (size <= had) return old;
  return memcpy(malloc(size), old, had);
}

void free(void *memory) { (void)memory; }

_Noreturn void abort(void) { __builtin_trap(); }

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  return __builtin_memcpy(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) { return __builtin_memmove(to, from, size); }

void *memset(void *to, int byte, size_t size) { return __builtin_memset(to, byte, size); }

int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *a = one, *b = other;
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

size_t strlen(const char *text) {
  const char *end = text;
  while (*end) end++;
  return (size_t)(end - text);
}
