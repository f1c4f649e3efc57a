// The functions that the example wants of a board.
#include "microphone.h"

int board_read_microphone(int16_t *samples, uint32_t count);
uint32_t board_milliseconds(void);
void board_put(char character);

int board_read_microphone(int16_t *samples, uint32_t count) {
  if (stub_fails()) {
    return -1;
  }
  stub_listen(samples, count);
  return 0;
}

uint32_t board_milliseconds(void) {
  return stub_ms();
}

void board_put(char character) {
  putchar(character);
}
