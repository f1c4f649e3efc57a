// SPDX-License-Identifier: Apache-2.0
// Compiled with -fno-builtin, so that no loop becomes a call of the very function that it stands in.
#include <stdint.h>
#include <string.h>

void *memcpy(void *to, const void *from, size_t count) {
  return memmove(to, from, count);
}

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *const out = to;
  const uint8_t *const in = from;

  if ((uintptr_t)out < (uintptr_t)in) {
    for (size_t i = 0; i < count; ++i) {
      out[i] = in[i];
    }
  } else {
    for (size_t i = count; i-- > 0;) {
      out[i] = in[i];
    }
  }
  return to;
}

void *memset(void *to, int value, size_t count) {
  uint8_t *const out = to;

  for (size_t i = 0; i < count; ++i) {
    out[i] = (uint8_t)value;
  }
  return to;
}
