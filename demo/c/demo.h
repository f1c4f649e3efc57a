// SPDX-License-Identifier: Apache-2.0
// What the page calls: feature pipeline, engine, detector and level meter of the firmware behind one function that
// takes samples. Arrays lie at fixed addresses that functions return, for the page reads and writes memory itself.
//
//   kws_demo_reset(KWS_SENSITIVITY_MEDIUM);
//   for (;;) {
//     ... up to KWS_DEMO_SAMPLES samples at kws_demo_samples() ...
//     columns = kws_demo_push(count);
//     ... kws_demo_columns(), kws_demo_scores(), kws_demo_words() ...
//   }
#ifndef KWS_DEMO_H
#define KWS_DEMO_H

#include <stdint.h>

#include "frontend.h"
#include "kws_detector.h"
#include "kws_engine.h"
#include "kws_level.h"

#define KWS_DEMO_SAMPLES 16000u  // at most so many a push
#define KWS_DEMO_COLUMNS (KWS_DEMO_SAMPLES / KWS_FRONTEND_HOP + 1u)  // that they complete

// A word that was heard in the latest push.
typedef struct {
  uint32_t column;      // of the push, that completed it
  uint32_t word;        // its class
  uint32_t confidence;  // in 255ths
  uint32_t ms;          // where its middle lies, since the reset
} kws_demo_word;

// Starts features, engine, detector and level meter afresh.
void kws_demo_reset(uint32_t sensitivity);

// [KWS_DEMO_SAMPLES], where the page puts samples of 16-bit PCM at 16 kHz.
int16_t *kws_demo_samples(void);

// Takes `count` of them. Returns the number of columns that they complete, whose results stand in the arrays below.
uint32_t kws_demo_push(uint32_t count);

// [KWS_DEMO_COLUMNS][KWS_MELS], lowest mel first.
const int8_t *kws_demo_columns(void);

// [KWS_DEMO_COLUMNS][KWS_CLASSES]. The first columns of a stream have none: kws_demo_scored() of the latest ones do.
const int16_t *kws_demo_scores(void);

// [KWS_DEMO_COLUMNS][KWS_CLASSES], in 255ths.
const uint8_t *kws_demo_probabilities(void);

// How many columns of the latest push, its last ones, have scores.
uint32_t kws_demo_scored(void);

// The words of the latest push, [kws_demo_word_count()], in the order in which they were heard.
const kws_demo_word *kws_demo_words(void);
uint32_t kws_demo_word_count(void);

// Starts the level meter alone afresh.
void kws_demo_level_reset(void);

// Takes `count` of the samples into the level meter and nothing else.
void kws_demo_level_push(uint32_t count);

// The level of what was pushed since either reset, at an address that stays the same.
const kws_level_result *kws_demo_level(void);

// What kws_level_text() says of it, ASCII with a zero behind it.
const char *kws_demo_advice(void);

// kws_detector_set_sensitivity() and kws_detector_set_threshold().
void kws_demo_set_sensitivity(uint32_t sensitivity);
void kws_demo_set_threshold(uint32_t word, uint32_t probability, uint32_t hops);

// A threshold of a preset: its probability, and 256 times its hops.
uint32_t kws_demo_preset(uint32_t sensitivity, uint32_t word);

// The name of a class, UTF-8 with a zero behind it.
const char *kws_demo_name(uint32_t word);

// Constants of the firmware.
uint32_t kws_demo_classes(void);
uint32_t kws_demo_mels(void);
uint32_t kws_demo_lag_ms(void);       // KWS_STREAM_LAG_MS
uint32_t kws_demo_first_score(void);  // columns before the first that has scores

#endif  // KWS_DEMO_H
