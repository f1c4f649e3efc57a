// SPDX-License-Identifier: Apache-2.0
// Keyword spotting on a bare Cortex-M: sound -> features -> network -> word.
//
// The sound is the host's file `input`, 16 kHz 16-bit PCM of any length without a header, read hop by hop as from a
// microphone. It is processed as a stream; then its beginning as a window, which is how the model was trained and
// how its accuracy is stated.
#include <string.h>

#include "frontend.h"
#include "kws_detector.h"
#include "kws_engine.h"
#include "kws_level.h"
#include "semihosting.h"

enum {
  SAMPLES_PER_MS = 16,
  SILENT_HOPS = 150  // behind the end of the sound, until the network has taken all of it and every word is decided
};

static kws_frontend frontend;
static kws_engine engine;
static kws_detector detector;
static kws_level level;
static int16_t first_window[KWS_FRONTEND_CLIP];  // zeros where the sound is shorter
static int8_t columns[KWS_FRONTEND_FRAMES][KWS_FRONTEND_COLUMN];

// digits: at least so many, with zeros in front.
static void print_number(uint32_t value, int32_t digits) {
  char text[11];
  char *at = text + sizeof text - 1;

  *at = '\0';
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
    --digits;
  } while (value != 0 || digits > 0);
  host_print(at);
}

// ms: the middle of the word. Such as: stream: yes (98 %)  at 0.48 s
static void report(const char *what, int32_t word, uint32_t probability, uint32_t ms) {
  host_print(what);
  host_print(kws_class_names[word]);
  host_print(" (");
  print_number((100 * probability + 127) / 255, 1);
  host_print(" %)  at ");
  print_number(ms / 1000, 1);
  host_print(".");
  print_number(ms % 1000 / 10, 2);
  host_print(" s\n");
}

// tenths: of a dB.
static void print_tenths(int32_t tenths) {
  const uint32_t magnitude = (uint32_t)(tenths < 0 ? -tenths : tenths);

  host_print(tenths < 0 ? "-" : "");
  print_number(magnitude / 10, 1);
  host_print(".");
  print_number(magnitude % 10, 1);
}

// Such as: level: peak -3.1 dBFS, RMS -23.4 dBFS, ok
static void report_level(void) {
  kws_level_result result;

  kws_level_read(&level, 0, &result);  // a file has no clock
  host_print("level: peak ");
  print_tenths(result.peak);
  host_print(" dBFS, RMS ");
  print_tenths(result.rms);
  host_print(" dBFS, ");
  host_print(kws_level_text(result.status));
  host_print("\n");
}

// Such as: form: DSP, and in the next line engine: BC-ResNet-1, 12 classes, ae981a4f2e2834bf
static void report_engine(void) {
  host_print("form: ");
  host_print(kws_engine_form);
  host_print("\nengine: " KWS_ENGINE_NAME ", ");
  print_number(KWS_CLASSES, 1);
  host_print(" classes, ");
  for (int32_t shift = 60; shift >= 0; shift -= 4) {
    const char digit[2] = {"0123456789abcdef"[KWS_ENGINE_ID >> shift & 15], '\0'};
    host_print(digit);
  }
  host_print("\n");
}

// Another column of features. Returns how many words it completes: 0 or 1.
static uint32_t hear(const int8_t *column) {
  int16_t scores[KWS_CLASSES];
  uint8_t probability;
  kws_event event;

  kws_push(&engine, column);
  if (kws_scores_stream(&engine, scores) != KWS_OK) {
    return 0;
  }
  const int32_t best = kws_best(scores, &probability);
  if (kws_detect(&detector, best, probability, 1, &event) != KWS_WORD) {
    return 0;
  }
  report("stream: ", event.word, event.confidence, event.ms);
  return 1;
}

// Returns how many samples there were.
static uint32_t listen(void) {
  int16_t samples[KWS_FRONTEND_HOP];
  uint32_t received = 0;
  uint32_t words = 0;

  kws_frontend_reset(&frontend);
  kws_reset(&engine);
  kws_detector_reset(&detector, KWS_SENSITIVITY_MEDIUM, KWS_FIRST_SCORE_MS);
  kws_level_reset(&level);
  for (int32_t silent = 0; silent < SILENT_HOPS;) {
    uint32_t count = (uint32_t)(host_read(samples, sizeof samples) / sizeof *samples);

    if (count == 0) {
      count = KWS_FRONTEND_HOP;
      memset(samples, 0, sizeof samples);
      ++silent;
    } else {
      kws_level_push(&level, samples, count);
    }
    for (uint32_t i = 0; i < count && received + i < KWS_FRONTEND_CLIP; ++i) {
      first_window[received + i] = samples[i];
    }
    received += count;
    for (uint32_t taken = 0; taken < count;) {
      int8_t column[KWS_FRONTEND_COLUMN];
      int32_t ready;

      taken += kws_frontend_push(&frontend, samples + taken, count - taken, column, &ready);
      if (ready) {
        words += hear(column);
      }
    }
  }
  if (words == 0) {
    host_print("stream: no word\n");
  }
  report_level();
  return received - SILENT_HOPS * KWS_FRONTEND_HOP;
}

// A sound that is shorter than a second has zeros behind it; one that is shorter than the window lies in its middle, as
// in training.
// received: samples of it. Returns its middle, ms.
static uint32_t centre_first_window(uint32_t received) {
  const uint32_t second = 1000 * SAMPLES_PER_MS;
  const uint32_t longer = received < second ? second : received;
  const uint32_t heard = longer < KWS_FRONTEND_CLIP ? longer : KWS_FRONTEND_CLIP;
  const uint32_t before = (KWS_FRONTEND_CLIP - heard) / 2;

  memmove(first_window + before, first_window, heard * sizeof *first_window);
  memset(first_window, 0, before * sizeof *first_window);
  return heard / SAMPLES_PER_MS / 2;
}

// middle: of the sound in it, ms.
static void classify_first_window(uint32_t middle) {
  int16_t scores[KWS_CLASSES];

  kws_frontend_clip(&frontend, first_window, columns);
  kws_reset(&engine);
  for (int32_t frame = 0; frame < KWS_FRONTEND_FRAMES; ++frame) {
    kws_push(&engine, columns[frame]);
  }
  if (kws_scores_window(&engine, scores) == KWS_OK) {
    uint8_t probability;
    const int32_t best = kws_best(scores, &probability);
    report("window: ", best, probability, middle);
  }
}

int main(void) {
  report_engine();
  classify_first_window(centre_first_window(listen()));
  return 0;
}
