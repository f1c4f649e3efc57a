// SPDX-License-Identifier: Apache-2.0
// Runs the feature pipeline on an emulated core: each clip of the input as a whole and as a stream.
//
// Input, for each clip: uint32 samples of a block of the stream, int16 [KWS_FRONTEND_CLIP] samples.
// Output, for each clip: uint32 bytes of stack used by the stream, uint32 those by the whole clip,
// int8 [stream columns][40], int8 [KWS_FRONTEND_FRAMES][40].
//
// Halfway through the stream, its state is saved, overwritten and restored. Before it, states that were never reset
// must be refused.
#include "frontend.h"

#include <string.h>

#include "guest.h"

enum { GARBAGE = 0xA5 };
enum { STREAM_COLUMNS = (KWS_FRONTEND_CLIP - KWS_FRONTEND_WINDOW / 2) / KWS_FRONTEND_HOP + 1 };

static kws_frontend state;
static int16_t samples[KWS_FRONTEND_CLIP];
static int8_t columns[KWS_FRONTEND_FRAMES][KWS_FRONTEND_COLUMN];
static uint32_t filled; // columns of the stream so far

// As an application with a block of samples from its microphone. Instructions are counted: with blocks of one hop,
// every call but the first completes one column.
__attribute__((noipa)) void frontend_hop(const int16_t *block, uint32_t count) {
  for (uint32_t taken = 0; taken < count;) {
    int32_t ready;
    taken += kws_frontend_push(&state, block + taken, count - taken, columns[filled], &ready);
    if (ready)
      filled++;
  }
}

// Whether a state that was never reset is refused and left unchanged. filling: the value of its bytes.
static int refuses(uint8_t filling) {
  static kws_frontend before;
  int32_t ready = 1;
  memset(&state, filling, sizeof state);
  memset(&before, filling, sizeof before);
  return kws_frontend_push(&state, samples, KWS_FRONTEND_CLIP, columns[0], &ready) == KWS_FRONTEND_NOT_RESET &&
         !ready && memcmp(&state, &before, sizeof state) == 0;
}

static void save_destroy_restore(void) {
  static kws_frontend saved;
  memcpy(&saved, &state, sizeof state);
  memset(&state, GARBAGE, sizeof state);
  memcpy(&state, &saved, sizeof state);
}

static void stream(uint32_t block) {
  uint32_t half = KWS_FRONTEND_CLIP / 2;
  kws_frontend_reset(&state);
  filled = 0;
  for (uint32_t start = 0; start < KWS_FRONTEND_CLIP; start += block) {
    uint32_t left = KWS_FRONTEND_CLIP - start;
    frontend_hop(samples + start, left < block ? left : block);
    if (start < half && start + block >= half)
      save_destroy_restore();
  }
}

int main(void) {
  uint32_t block, stack[2];
  while (host_read(&block, sizeof block) == sizeof block) {
    if (block == 0 || host_read(samples, sizeof samples) != sizeof samples) {
      host_print("the input ends within a clip\n");
      return 1;
    }
    if (!refuses(0) || !refuses(GARBAGE)) {
      host_print("a state that was never reset was taken for a stream\n");
      return 1;
    }
    stack_paint();
    stream(block);
    stack[0] = stack_used();
    if (filled != STREAM_COLUMNS) {
      host_print("the stream gave another number of columns than its samples complete\n");
      return 1;
    }
    static int8_t streamed[STREAM_COLUMNS][KWS_FRONTEND_COLUMN];
    memcpy(streamed, columns, sizeof streamed);
    memset(&state, GARBAGE, sizeof state);
    stack_paint();
    kws_frontend_clip(&state, (const int16_t *)samples, columns);
    stack[1] = stack_used();
    host_write(stack, sizeof stack);
    host_write(streamed, sizeof streamed);
    host_write(columns, sizeof columns);
  }
  return 0;
}
