#ifndef STUB_KERNEL_H
#define STUB_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// One block is enough for a program that frees each before it asks for the next.
struct k_mem_slab {
  char *buffer;
  size_t block_size;
  int used;
};

#define K_MEM_SLAB_DEFINE_STATIC(name, size, count, alignment)                     \
  static char name##_buffer[(size) * (count)] __attribute__((aligned(alignment))); \
  static struct k_mem_slab name = {name##_buffer, (size), 0}

static inline void k_mem_slab_free(struct k_mem_slab *slab, void *block) {
  slab->used -= block == slab->buffer;
}

#endif  // STUB_KERNEL_H
