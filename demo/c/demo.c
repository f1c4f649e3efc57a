// SPDX-License-Identifier: Apache-2.0
#include "demo.h"

static kws_frontend frontend;
static kws_engine engine;
static kws_detector detector;
static kws_level level;

static int16_t samples[KWS_DEMO_SAMPLES];
static int8_t columns[KWS_DEMO_COLUMNS][KWS_MELS];
static int16_t scores[KWS_DEMO_COLUMNS][KWS_CLASSES];
static uint8_t probabilities[KWS_DEMO_COLUMNS][KWS_CLASSES];
static kws_demo_word words[KWS_DEMO_COLUMNS];
static uint32_t scored;
static uint32_t word_count;
static kws_level_result result;

void kws_demo_reset(uint32_t sensitivity) {
  kws_frontend_reset(&frontend);
  kws_reset(&engine);
  kws_detector_reset(&detector, (kws_sensitivity)sensitivity, KWS_FIRST_SCORE_MS);
  kws_level_reset(&level);
  scored = 0;
  word_count = 0;
}

int16_t *kws_demo_samples(void) {
  return samples;
}

// Column number `index` of the push, which stands in `columns`.
static void hear(uint32_t index) {
  uint8_t probability;
  kws_event event;

  kws_push(&engine, columns[index]);
  if (kws_scores_stream(&engine, scores[index]) != KWS_OK) {
    return;
  }
  ++scored;
  for (int32_t word = 0; word < KWS_CLASSES; ++word) {
    probabilities[index][word] = kws_probability(scores[index], word);
  }
  const int32_t best = kws_best(scores[index], &probability);
  if (kws_detect(&detector, best, probability, 1, &event) == KWS_WORD) {
    words[word_count].column = index;
    words[word_count].word = (uint32_t)event.word;
    words[word_count].confidence = event.confidence;
    words[word_count].ms = event.ms;
    ++word_count;
  }
}

uint32_t kws_demo_push(uint32_t count) {
  uint32_t ready_columns = 0;

  scored = 0;
  word_count = 0;
  if (count > KWS_DEMO_SAMPLES) {
    return 0;
  }
  kws_level_push(&level, samples, count);
  for (uint32_t taken = 0; taken < count;) {
    int32_t ready;

    taken += kws_frontend_push(&frontend, samples + taken, count - taken, columns[ready_columns], &ready);
    if (ready) {
      hear(ready_columns++);
    }
  }
  return ready_columns;
}

const int8_t *kws_demo_columns(void) {
  return columns[0];
}

const int16_t *kws_demo_scores(void) {
  return scores[0];
}

const uint8_t *kws_demo_probabilities(void) {
  return probabilities[0];
}

uint32_t kws_demo_scored(void) {
  return scored;
}

const kws_demo_word *kws_demo_words(void) {
  return words;
}

uint32_t kws_demo_word_count(void) {
  return word_count;
}

void kws_demo_level_reset(void) {
  kws_level_reset(&level);
}

void kws_demo_level_push(uint32_t count) {
  if (count <= KWS_DEMO_SAMPLES) {
    kws_level_push(&level, samples, count);
  }
}

const kws_level_result *kws_demo_level(void) {
  kws_level_read(&level, 0, &result);
  return &result;
}

const char *kws_demo_advice(void) {
  return kws_level_text(result.status);
}

void kws_demo_set_sensitivity(uint32_t sensitivity) {
  kws_detector_set_sensitivity(&detector, (kws_sensitivity)sensitivity);
}

void kws_demo_set_threshold(uint32_t word, uint32_t probability, uint32_t hops) {
  kws_detector_set_threshold(&detector, (int32_t)word, (uint8_t)probability, (uint8_t)hops);
}

uint32_t kws_demo_preset(uint32_t sensitivity, uint32_t word) {
  const kws_threshold *const threshold = &kws_presets[sensitivity][word];
  return threshold->probability + 256u * threshold->hops;
}

const char *kws_demo_name(uint32_t word) {
  return kws_class_names[word];
}

uint32_t kws_demo_classes(void) {
  return KWS_CLASSES;
}

uint32_t kws_demo_mels(void) {
  return KWS_MELS;
}

uint32_t kws_demo_lag_ms(void) {
  return KWS_STREAM_LAG_MS;
}

uint32_t kws_demo_first_score(void) {
  return KWS_DELAY_COLUMNS + KWS_STREAM_COLUMNS - 1u;
}
