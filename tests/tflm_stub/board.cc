// The board of examples/firmware_main.cc over the stand-in: samples from standard input in chunks of all lengths, and
// for each word a line with its label, its time in ms and the input tensor of the run that was reported.
#include <stdio.h>
#include <stdlib.h>

#include "model_settings.h"
#include "tflm_stub.h"

extern "C" uint32_t board_read_samples(int16_t *samples, uint32_t count);
extern "C" void board_report(const char *word, uint32_t ms);

namespace {

const size_t kLengths[] = {160, 1, 7, 159, 161, 80};

// Before main(): a stand-in that the generated code accepts. Kernels fail where the environment says so.
struct Board {
  Board() {
    tflm_stub::Control &control = tflm_stub::control();
    control.version = KWS_SCHEMA_VERSION;
    control.arena_needed = KWS_TFLM_ARENA_BYTES;
    control.fail_add = -1;
    control.fail_invoke = getenv("FAIL_INVOKE") != nullptr;
    control.input = {9, 4, {1, KWS_MELS, KWS_FRAMES, 1}, KWS_INPUT_SCALE, KWS_INPUT_ZERO_POINT};
    control.output = {9, 2, {1, KWS_CLASSES}, KWS_OUTPUT_SCALE, KWS_OUTPUT_ZERO_POINT};
  }
} board;

}  // namespace

uint32_t board_read_samples(int16_t *samples, uint32_t count) {
  static size_t call = 0;
  const size_t length = kLengths[call++ % (sizeof(kLengths) / sizeof(kLengths[0]))];
  return static_cast<uint32_t>(fread(samples, sizeof(*samples), length < count ? length : count, stdin));
}

void board_report(const char *word, uint32_t ms) {
  printf("%s %u ", word, static_cast<unsigned>(ms));
  for (size_t index = 0; index < KWS_FEATURE_COUNT; ++index) {
    printf("%02x", static_cast<unsigned>(static_cast<uint8_t>(tflm_stub::control().seen[index])));
  }
  printf("\n");
}
