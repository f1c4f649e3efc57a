// SPDX-License-Identifier: Apache-2.0
// The level meter on an emulated core: what it says of each sound of the input.
//
// Input, for each sound: uint32 samples of a push, uint32 elapsed milliseconds, uint32 number of samples, int16
// samples. Output, for each sound: uint32 bytes of stack, uint32 [3] samples, rate, clipped_ppm, int16 [4] peak, rms,
// loudest, dc, uint32 status.
//
// Halfway through, the state is saved, destroyed and restored. Ahead of it, states that were never reset must be
// refused.
#include <string.h>

#include "guest.h"
#include "kws_level.h"

enum { GARBAGE = 0xA5, LONGEST = 64000 };

static kws_level state;
static int16_t samples[LONGEST];

// Is a state that was never reset refused, and left as it is? filling: what each of its bytes is.
static int refuses(uint8_t filling) {
  static kws_level before;
  kws_level_result result;
  memset(&state, filling, sizeof state);
  memset(&before, filling, sizeof before);
  kws_level_push(&state, samples, KWS_LEVEL_BLOCK);
  kws_level_read(&state, 0, &result);
  return result.status == KWS_LEVEL_TOO_SHORT && memcmp(&state, &before, sizeof state) == 0;
}

static void save_destroy_restore(void) {
  static kws_level saved;
  memcpy(&saved, &state, sizeof state);
  memset(&state, GARBAGE, sizeof state);
  memcpy(&state, &saved, sizeof state);
}

static void measure(uint32_t push, uint32_t count) {
  kws_level_reset(&state);
  for (uint32_t start = 0; start < count; start += push) {
    uint32_t left = count - start;
    kws_level_push(&state, samples + start, left < push ? left : push);
    if (start < count / 2 && start + push >= count / 2)
      save_destroy_restore();
  }
}

int main(void) {
  uint32_t head[3];
  while (host_read(head, sizeof head) == sizeof head) {
    uint32_t count = head[2];
    if (head[0] == 0 || count > LONGEST || host_read(samples, count * sizeof *samples) != count * sizeof *samples) {
      host_print("the input ends within a sound\n");
      return 1;
    }
    if (!refuses(0) || !refuses(GARBAGE)) {
      host_print("a state that was never reset was measured with\n");
      return 1;
    }
    kws_level_result result;
    stack_paint();
    measure(head[0], count);
    kws_level_read(&state, head[1], &result);
    uint32_t stack = stack_used();
    uint32_t status = (uint32_t)result.status;
    int16_t levels[4] = {result.peak, result.rms, result.loudest, result.dc};
    uint32_t counts[3] = {result.samples, result.rate, result.clipped_ppm};
    host_write(&stack, sizeof stack);
    host_write(counts, sizeof counts);
    host_write(levels, sizeof levels);
    host_write(&status, sizeof status);
  }
  return 0;
}
