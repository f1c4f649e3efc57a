// SPDX-License-Identifier: Apache-2.0
// Runs feature pipeline and native engine on an emulated core: samples in, scores out.
//
// Input: int16 [KWS_FRONTEND_CLIP] samples of each clip.
// Output, for each clip: the scores of the clip as a recording, then HOPS times those of the stream of all clips, one
// after the other, each: uint32 status, int16 [KWS_CLASSES] scores. A hop that completes no column has
// status NO_COLUMN; scores are zeros unless the status is KWS_OK.
#include <string.h>

#include "frontend.h"
#include "guest.h"
#include "kws_engine.h"

enum { HOPS = KWS_FRONTEND_CLIP / KWS_FRONTEND_HOP, NO_COLUMN = 255 };

static kws_frontend recorder, microphone;
static kws_engine recorded, streamed;
static int16_t samples[KWS_FRONTEND_CLIP];

static void write_result(uint32_t status, const int16_t *scores) {
  static const int16_t none[KWS_CLASSES];
  host_write(&status, sizeof status);
  host_write(status == KWS_OK ? scores : none, sizeof none);
}

static void score_recording(void) {
  static int8_t columns[KWS_FRONTEND_FRAMES][KWS_FRONTEND_COLUMN];
  int16_t scores[KWS_CLASSES];
  kws_frontend_clip(&recorder, samples, columns);
  kws_reset(&recorded);
  for (uint32_t frame = 0; frame < KWS_FRAMES; frame++)
    kws_push(&recorded, columns[frame]);
  kws_status status = kws_scores_window(&recorded, scores);
  write_result(status, scores);
}

static void score_hop(const int16_t *block) {
  int8_t column[KWS_FRONTEND_COLUMN];
  int16_t scores[KWS_CLASSES];
  uint32_t status = NO_COLUMN;
  for (uint32_t taken = 0; taken < KWS_FRONTEND_HOP;) {
    int32_t ready;
    taken += kws_frontend_push(&microphone, block + taken, KWS_FRONTEND_HOP - taken, column, &ready);
    if (ready) {
      kws_push(&streamed, column);
      status = kws_scores_stream(&streamed, scores);
    }
  }
  write_result(status, scores);
}

int main(void) {
  kws_frontend_reset(&microphone);
  kws_reset(&streamed);
  while (host_read(samples, sizeof samples) == sizeof samples) {
    score_recording();
    for (uint32_t hop = 0; hop < HOPS; hop++)
      score_hop(samples + hop * KWS_FRONTEND_HOP);
  }
  return 0;
}
