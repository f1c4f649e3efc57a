// SPDX-License-Identifier: Apache-2.0
// The detector on an emulated core: from the scores of each hop to words.
//
// Input: uint32 where the first scores lie, in ms; uint32 hops of the pause; uint8 [KWS_CLASSES][2] thresholds; then
// for each answer of the network uint32 hops since the one before, int16 [KWS_CLASSES] scores. Output: uint32
// sizeof(kws_detector), uint8 [3][KWS_CLASSES][2] presets; then for each answer uint32 kws_detection, bytes of stack
// that it took, and the event's word, confidence and ms, UNTOUCHED where none was written.
//
// After every MOVE_EVERY answers the state is saved, destroyed and restored. Ahead of all, a state that was never reset
// must be refused.
#include <string.h>

#include "guest.h"
#include "kws_detector.h"
#include "kws_engine.h"

enum { GARBAGE = 0xA5, UNTOUCHED = 0x5A, MOVE_EVERY = 13 };

static kws_detector state;
static kws_event event;

// What an application does with the scores of a hop. Counted.
__attribute__((noipa)) kws_detection detector_hop(const int16_t *scores, uint8_t hops) {
  uint8_t probability;
  int32_t best = kws_best(scores, &probability);
  return kws_detect(&state, best, probability, hops, &event);
}

static void save_destroy_restore(void) {
  static kws_detector saved;
  memcpy(&saved, &state, sizeof state);
  memset(&state, GARBAGE, sizeof state);
  memcpy(&state, &saved, sizeof state);
}

// Is a state that was never reset refused, and left as it is? filling: what each of its bytes is.
static int refuses(uint8_t filling) {
  static kws_detector before;
  memset(&state, filling, sizeof state);
  memset(&before, filling, sizeof before);
  return kws_detect(&state, 0, 255, 1, &event) == KWS_DETECTOR_NOT_RESET && memcmp(&state, &before, sizeof state) == 0;
}

static int need(void *data, uint32_t size) {
  if (host_read(data, size) == size)
    return 1;
  host_print("the input ends too early\n");
  return 0;
}

int main(void) {
  static kws_threshold thresholds[KWS_CLASSES];
  const uint32_t size = sizeof state;
  uint32_t first_ms, pause, hops, answers = 0;
  if (!refuses(0) || !refuses(GARBAGE)) {
    host_print("a state that was never reset was taken for one that was\n");
    return 1;
  }
  if (!need(&first_ms, sizeof first_ms) || !need(&pause, sizeof pause) || !need(thresholds, sizeof thresholds))
    return 1;
  kws_detector_reset(&state, KWS_SENSITIVITY_MEDIUM, first_ms);
  kws_detector_set_pause(&state, (uint8_t)pause);
  for (int32_t i = 0; i < KWS_CLASSES; i++)
    kws_detector_set_threshold(&state, i, thresholds[i].probability, thresholds[i].hops);
  host_write(&size, sizeof size);
  host_write(kws_presets, sizeof kws_presets);
  while (host_read(&hops, sizeof hops) == sizeof hops) {
    static int16_t scores[KWS_CLASSES];
    uint32_t result[2];
    if (!need(scores, sizeof scores))
      return 1;
    memset(&event, UNTOUCHED, sizeof event);
    stack_paint();
    result[0] = detector_hop(scores, (uint8_t)hops);
    result[1] = stack_used();
    host_write(result, sizeof result);
    host_write(&event, sizeof event);
    if (++answers % MOVE_EVERY == 0)
      save_destroy_restore();
  }
  return 0;
}
