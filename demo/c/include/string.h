// SPDX-License-Identifier: Apache-2.0
// The part of <string.h> that the firmware uses, for a target without a C library; see memory.c.
#ifndef KWS_DEMO_STRING_H
#define KWS_DEMO_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

#endif  // KWS_DEMO_STRING_H
