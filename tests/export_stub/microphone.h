// A microphone for examples that run on this machine: 16 kHz 16-bit PCM from standard input, then a second of silence,
// then the end of the program. In the environment: STUB_FAULT=n breaks it down once, before sample n; STUB_CLOCK=per
// cent is how fast the platform's clock runs by that of the samples. STUB_SERIAL: see arduino/Arduino.h.
#ifndef STUB_MICROPHONE_H
#define STUB_MICROPHONE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static size_t stub_samples;  // that were given
static size_t stub_waited;   // ms without a microphone

static inline size_t stub_setting(const char *name, size_t otherwise) {
  return getenv(name) ? (size_t)atol(getenv(name)) : otherwise;
}

// samples: [count], all of them written.
static inline void stub_listen(int16_t *samples, size_t count) {
  static size_t silent;
  size_t i = fread(samples, sizeof *samples, count, stdin);

  if (silent > 16000) {
    exit(0);
  }
  silent += count - i;
  for (; i < count; ++i) {
    samples[i] = 0;
  }
  stub_samples += count;
}

// The platform's clock, ms.
static inline uint32_t stub_ms(void) {
  return (uint32_t)((stub_samples / 16 + stub_waited) * stub_setting("STUB_CLOCK", 100) / 100);
}

// Once: does the microphone break down now?
static inline int stub_fails(void) {
  static int failed;
  const int now = !failed && stub_samples >= stub_setting("STUB_FAULT", (size_t)-1);

  failed |= now;
  return now;
}

// What a program does that waits for a microphone that is not started again: it ends, deaf.
static inline void stub_wait(size_t ms) {
  stub_waited += ms;
  if (stub_waited > 20000) {
    puts("deaf");
    exit(1);
  }
}

#endif  // STUB_MICROPHONE_H
