// SPDX-License-Identifier: Apache-2.0
// Does this core compute what the golden model does? Ends with an error where not.
#include "kws_selftest.h"
#include "semihosting.h"

static kws_selftest_memory memory;

static void put(char character) {
  const char text[2] = {character, '\0'};
  host_print(text);
}

int main(void) {
  return kws_selftest(&memory, put) == 0 ? 0 : 1;
}
