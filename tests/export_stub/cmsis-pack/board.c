// The two functions that the example wants of a board.
#include "microphone.h"

void board_read_microphone(int16_t *samples, uint32_t count);
void board_put(char character);

void board_read_microphone(int16_t *samples, uint32_t count) {
  stub_listen(samples, count);
}

void board_put(char character) {
  putchar(character);
}
