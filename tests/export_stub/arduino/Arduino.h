// As much of the Arduino core as the example uses.
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "microphone.h"

struct StubSerial {
  void begin(unsigned long) {}
  void print(const char *text) { fputs(text, stdout); }
};

static StubSerial Serial;

static inline unsigned long millis() {
  return stub_ms();
}

static inline void delay(unsigned long ms) {
  stub_wait(ms);
}

void setup();
void loop();

#endif  // STUB_ARDUINO_H
