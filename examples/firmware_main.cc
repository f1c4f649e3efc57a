// SPDX-License-Identifier: Apache-2.0
//
// Continuous listening with the generated sources: microphone samples in, words out.
//
// Add this file and build/tau<T>/firmware/ to a project that has TensorFlow Lite for Microcontrollers, and supply the
// two functions below. It is no part of that folder, so that all of the folder's sources fit into any project.
//
// Memory: the arena (KWS_TFLM_ARENA_BYTES), the frontend's state (KWS_FRONTEND_STATE_BYTES), the detector's
// (KWS_DETECTOR_STATE_BYTES) and the ring of columns (KWS_FRAMES * KWS_MELS bytes), all static; the model stays in
// flash.
#include <stdint.h>

#include "frontend.h"
#include "kws_detector.h"
#include "kws_tflm.h"
#include "model_settings.h"

// ---- The board, to be supplied ----

// Waits for at least one sample and copies at most `count` of them; 0 ends the program. 16-bit PCM at KWS_SAMPLE_RATE.
// Samples must be buffered while the model runs: at most kRunEvery hops, or the processor cannot keep up.
// samples: [count].
extern "C" uint32_t board_read_samples(int16_t *samples, uint32_t count);

// Called once for each word that is detected. word: one of kws_labels, UTF-8. ms: of its middle since the start, modulo
// 2^32.
extern "C" void board_report(const char *word, uint32_t ms);

// ---- Listening ----

namespace {

const int kRunEvery = 10;  // hops from one run of the model to the next: 100 ms; more for a slower processor

// The middle of the first window, in ms: the one that is full at a multiple of kRunEvery hops. Figures in
// kws_detector.h are of the native engine's stream; how much a window that is moved on by 100 ms misses and falsely
// accepts was not measured.
const uint32_t kHopsBefore = (kRunEvery - KWS_FRAMES % kRunEvery) % kRunEvery;
const uint32_t kFirstScoreMs = (kHopsBefore * KWS_HOP_SAMPLES + KWS_CLIP_SAMPLES / 2) * 1000u / KWS_SAMPLE_RATE;

alignas(KWS_TFLM_ARENA_ALIGNMENT) uint8_t arena[KWS_TFLM_ARENA_BYTES];
kws_frontend frontend;
kws_ring ring;
kws_detector detector;

int32_t IndexOfGreatest(const int16_t *scores) {
  int32_t best = 0;
  for (int32_t index = 1; index < KWS_CLASSES; ++index) {
    if (scores[index] > scores[best]) {
      best = index;
    }
  }
  return best;
}

// What a run of the model, kRunEvery hops after the one before, says to the detector.
void Detect(const int8_t *scores) {
  int16_t wide[KWS_CLASSES];
  kws_event event;
  kws_tflm_scores(scores, wide);
  const int32_t best = IndexOfGreatest(wide);
  if (kws_detect(&detector, best, kws_tflm_probability(wide, best), kRunEvery, &event) == KWS_WORD) {
    board_report(kws_labels[event.word], event.ms);
  }
}

}  // namespace

int main() {
  kws_tflm_status status = kws_tflm_init(arena, sizeof(arena));
  if (status != KWS_TFLM_OK) {
    return status;
  }
  kws_frontend_reset(&frontend);
  kws_ring_reset(&ring);
  kws_detector_reset(&detector, KWS_SENSITIVITY_MEDIUM, kFirstScoreMs);

  int16_t samples[KWS_HOP_SAMPLES];
  int hops = 0;  // since the last run
  for (uint32_t count; (count = board_read_samples(samples, KWS_HOP_SAMPLES)) > 0;) {
    for (uint32_t taken = 0; taken < count;) {
      int8_t column[KWS_MELS];
      int32_t ready;
      taken += kws_frontend_push(&frontend, samples + taken, count - taken, column, &ready);
      if (!ready) {
        continue;
      }
      kws_ring_push(&ring, column);
      if (++hops < kRunEvery) {
        continue;
      }
      hops = 0;
      int8_t scores[KWS_CLASSES];
      status = kws_tflm_infer_ring(&ring, scores);
      if (status == KWS_TFLM_OK) {
        Detect(scores);
      } else if (status != KWS_TFLM_INPUT_INCOMPLETE) {  // the ring is not full yet: the first window
        return status;
      }
    }
  }
  return 0;
}
