// As much of the Arduino core as the example uses.
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct StubSerial {
  void begin(unsigned long) {}
  void print(const char *text) { fputs(text, stdout); }
  void print(unsigned long number) { printf("%lu", number); }
  void print(unsigned int number) { printf("%u", number); }
  void println(const char *text) { puts(text); }
};

static StubSerial Serial;

void setup();
void loop();

#endif  // STUB_ARDUINO_H
