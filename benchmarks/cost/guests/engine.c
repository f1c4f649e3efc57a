// SPDX-License-Identifier: Apache-2.0
// Makes the calls in the input on one state of the native engine, on an emulated core.
//
// Input, for each call: uint32 which call, then its data (see below).
// Output: uint32 KWS_ENGINE_STATE_BYTES, KWS_STREAM_STATE_BYTES, KWS_CLASSES, KWS_STREAM_COLUMNS, KWS_DELAY_COLUMNS;
// then for each call: uint32 status, uint32 bytes of stack used, int16 [KWS_CLASSES] scores, UNTOUCHED where the
// engine did not write any.
#include <string.h>

#include "guest.h"
#include "kws_engine.h"

enum {
  RESET,
  WINDOW,          // int8 [KWS_FRAMES][KWS_MELS]: from reset to scores
  HOP,             // int8 [KWS_MELS]: one column and the scores of the stream
  PUSH,            // int8 [KWS_MELS]
  SCORES_WINDOW,
  SCORES_STREAM,
  OVERWRITE,       // fills the state with garbage
  MOVE,            // copies the state away, overwrites it and copies it back
  NULL_STATE,      // this and the next three: a null pointer as argument
  NULL_COLUMN,
  NULL_SCORES,
  NULL_EVERYWHERE
};

enum { GARBAGE = 0xA5, UNTOUCHED = 0x5A };

static kws_engine state;
static int8_t columns[KWS_FRAMES][KWS_MELS];
static int16_t scores[KWS_CLASSES];

// As an application with a recording of a second. Instructions are counted.
__attribute__((noipa)) kws_status engine_window(const int8_t clip[KWS_FRAMES][KWS_MELS]) {
  kws_status status = kws_reset(&state);
  for (uint32_t frame = 0; frame < KWS_FRAMES && status == KWS_OK; frame++)
    status = kws_push(&state, clip[frame]);
  return status == KWS_OK ? kws_scores_window(&state, scores) : status;
}

// As an application every 10 ms. Instructions are counted.
__attribute__((noipa)) kws_status engine_hop(const int8_t *column) {
  kws_status status = kws_push(&state, column);
  return status == KWS_OK ? kws_scores_stream(&state, scores) : status;
}

static void move(void) {
  static kws_engine elsewhere;
  memcpy(&elsewhere, &state, sizeof state);
  memset(&state, GARBAGE, sizeof state);
  memcpy(&state, &elsewhere, sizeof state);
}

// The status of two calls, which must be equal.
static kws_status same(kws_status first, kws_status second) {
  if (first != second) {
    host_print("two calls with a null pointer disagree\n");
    host_exit(1);
  }
  return first;
}

static void need(void *data, uint32_t size) {
  if (host_read(data, size) != size) {
    host_print("the input ends within a call\n");
    host_exit(1);
  }
}

static kws_status perform(uint32_t what) {
  switch (what) {
  case RESET:
    return kws_reset(&state);
  case WINDOW:
    return engine_window((const int8_t (*)[KWS_MELS])columns);
  case HOP:
    return engine_hop(columns[0]);
  case PUSH:
    return kws_push(&state, columns[0]);
  case SCORES_WINDOW:
    return kws_scores_window(&state, scores);
  case SCORES_STREAM:
    return kws_scores_stream(&state, scores);
  case OVERWRITE:
    memset(&state, GARBAGE, sizeof state);
    return KWS_OK;
  case MOVE:
    move();
    return KWS_OK;
  case NULL_STATE:
    return same(same(kws_reset(NULL), kws_push(NULL, columns[0])),
                same(kws_scores_window(NULL, scores), kws_scores_stream(NULL, scores)));
  case NULL_COLUMN:
    return kws_push(&state, NULL);
  case NULL_SCORES:
    return same(kws_scores_window(&state, NULL), kws_scores_stream(&state, NULL));
  case NULL_EVERYWHERE:
    return same(kws_push(NULL, NULL), same(kws_scores_window(NULL, NULL), kws_scores_stream(NULL, NULL)));
  default:
    host_print("no such call\n");
    host_exit(1);
  }
}

int main(void) {
  const uint32_t sizes[5] = {KWS_ENGINE_STATE_BYTES, KWS_STREAM_STATE_BYTES, KWS_CLASSES, KWS_STREAM_COLUMNS,
                             KWS_DELAY_COLUMNS};
  uint32_t what;
  host_write(sizes, sizeof sizes);
  while (host_read(&what, sizeof what) == sizeof what) {
    uint32_t result[2];
    if (what == WINDOW)
      need(columns, sizeof columns);
    else if (what == HOP || what == PUSH)
      need(columns[0], sizeof columns[0]);
    memset(scores, UNTOUCHED, sizeof scores);
    stack_paint();
    result[0] = perform(what);
    result[1] = stack_used();
    host_write(result, sizeof result);
    host_write(scores, sizeof scores);
  }
  return 0;
}
