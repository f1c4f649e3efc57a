// Both ways onto the chip in one program: the TFLM way over the stand-in, and the native engine's self-test. A test
// puts every header of both in front of this, in one order and in the other.
#include <stdio.h>
#include <string.h>

#include "kws_engine.h"
#include "kws_selftest.h"
#include "kws_tflm.h"
#include "model_settings.h"
#include "tflm_stub.h"

namespace {

alignas(KWS_TFLM_ARENA_ALIGNMENT) uint8_t arena[KWS_TFLM_ARENA_BYTES];
kws_frontend frontend;
kws_selftest_memory memory;
int16_t samples[KWS_CLIP_SAMPLES];

void Put(char character) {
  putchar(character);
}

}  // namespace

int main() {
  tflm_stub::Control &control = tflm_stub::control();
  control.version = KWS_SCHEMA_VERSION;
  control.arena_needed = KWS_TFLM_ARENA_BYTES;
  control.fail_add = -1;
  control.input = {9, 4, {1, KWS_MELS, KWS_FRAMES, 1}, KWS_INPUT_SCALE, KWS_INPUT_ZERO_POINT};
  control.output = {9, 2, {1, KWS_CLASSES}, KWS_OUTPUT_SCALE, KWS_OUTPUT_ZERO_POINT};

  int8_t scores[KWS_CLASSES];
  int16_t wide[KWS_CLASSES];
  if (kws_tflm_init(arena, sizeof(arena)) != KWS_TFLM_OK ||
      kws_tflm_infer_audio(&frontend, samples, scores) != KWS_TFLM_OK) {
    return 1;
  }
  kws_tflm_scores(scores, wide);
  for (int index = 0; index < KWS_CLASSES; ++index) {
    if (strcmp(kws_labels[index], kws_class_names[index]) != 0) {
      return 1;
    }
  }
  printf("tflm %d of 255, native %d of 255\n", kws_tflm_probability(wide, 0), kws_probability(wide, 0));
  return kws_selftest(&memory, Put);
}
