#ifndef STUB_KERNEL_H
#define STUB_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "microphone.h"

#define CONFIG_LISTEN_GAIN_BITS 3  // what the sample's Kconfig becomes

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

static inline uint32_t k_uptime_get_32(void) {
  return stub_ms();
}

static inline void k_msleep(int32_t ms) {
  stub_wait((size_t)ms);
}

#endif  // STUB_KERNEL_H
