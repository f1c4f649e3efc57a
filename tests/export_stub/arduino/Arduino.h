// As much of the Arduino core as the example uses.
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "microphone.h"

static inline unsigned long millis() {
  return stub_ms();
}

// A monitor opens after STUB_SERIAL ms; what is printed before is lost.
struct StubSerial {
  void begin(unsigned long) {}
  explicit operator bool() const { return stub_ms() >= stub_setting("STUB_SERIAL", 0); }
  void print(const char *text) {
    if (*this) {
      fputs(text, stdout);
    }
  }
};

static StubSerial Serial;

static inline void delay(unsigned long ms) {
  stub_wait(ms);
}

void setup();
void loop();

#endif  // STUB_ARDUINO_H
