// SPDX-License-Identifier: Apache-2.0
// Fuzz target for the feature pipeline: any samples, cut up in any way.
//
//     python -m frontend.render OUT
//     FLAGS="-g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
//     clang $FLAGS -IOUT -DWITH_LIBFUZZER tests/frontend/fuzz_frontend.c OUT/*.c -o fuzz_frontend
//     mkdir CORPUS; ./fuzz_frontend -max_len=4096 CORPUS tests/frontend/frontend_corpus
//
// Without WITH_LIBFUZZER it is a program that runs the files it is given, which the tests do with GCC's sanitisers.
//
// An input is: a byte of flags, a byte n, n bytes that give the lengths of the chunks in turn, then the samples.
// Whatever it is, the columns must be those of the same samples in the largest chunks possible, the calls must take and
// deliver what frontend.h promises, a clip must agree with a stream, and a state that was not reset must be refused.
// Every chunk, column and state has memory of its own, so that the address sanitiser sees a single byte too much.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend.h"

enum { MOVE_STATE = 1, CHECK_CLIP = 2, LONG_CHUNKS = 4 };  // flags

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (0)

typedef int8_t feature_column[KWS_FRONTEND_COLUMN];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A block of exactly this size with this content.
static void *copy_of(const void *bytes, size_t size) {
  void *block = malloc(size);

  CHECK(block != NULL || size == 0);
  if (size > 0) {
    memcpy(block, bytes, size);
  }
  return block;
}

// How many columns are complete once so many samples are in.
static uint32_t columns_of(uint32_t samples) {
  const uint32_t half = KWS_FRONTEND_WINDOW / 2;

  return samples < half ? 0 : (samples - half) / KWS_FRONTEND_HOP + 1;
}

// A stream in chunks of lengths[0 ... n - 1] samples in turn. Returns its columns, [columns_of(count)].
static feature_column *stream(const int16_t *samples, uint32_t count, const uint8_t *lengths, uint32_t n,
                              uint8_t flags) {
  feature_column *columns = malloc((columns_of(count) + 1) * sizeof *columns);
  kws_frontend *state = malloc(sizeof *state);
  uint32_t column_count = 0;
  uint32_t chunk = 0;

  CHECK(columns != NULL && state != NULL);
  kws_frontend_reset(state);
  for (uint32_t done = 0; done < count;) {
    const uint32_t wanted = n == 0 ? count : (uint32_t)lengths[chunk++ % n] * (flags & LONG_CHUNKS ? 37u : 1u);
    const uint32_t length = wanted < count - done ? wanted : count - done;
    int16_t *const own = copy_of(samples + done, length * sizeof *samples);
    int8_t *const column = malloc(KWS_FRONTEND_COLUMN);
    int32_t ready = -1;
    const uint32_t taken = kws_frontend_push(state, length == 0 ? samples : own, length, column, &ready);

    CHECK(taken <= length);
    CHECK(ready == 0 || ready == 1);
    CHECK(taken == length || ready == 1);
    done += taken;
    column_count += (uint32_t)ready;
    CHECK(column_count == columns_of(done));
    if (ready) {
      CHECK(done == (column_count - 1) * KWS_FRONTEND_HOP + KWS_FRONTEND_WINDOW / 2);
      memcpy(columns[column_count - 1], column, KWS_FRONTEND_COLUMN);
    }
    free(column);
    free(own);
    if (flags & MOVE_STATE) {
      kws_frontend *const moved = copy_of(state, sizeof *state);
      memset(state, 0xa5, sizeof *state);
      free(state);
      state = moved;
    }
    if (chunk == n && n != 0) {
      uint32_t any = 0;
      for (uint32_t i = 0; i < n; ++i) {
        any |= lengths[i];
      }
      n = any == 0 ? 0 : n;  // chunks of nothing only: go on in one piece
    }
  }
  free(state);
  return columns;
}

// The samples over and over until they fill a clip; its columns away from the ends are those of a stream.
static void check_clip(const int16_t *samples, uint32_t count) {
  const size_t column = KWS_FRONTEND_COLUMN;
  int16_t *clip = malloc(KWS_FRONTEND_CLIP * sizeof *clip);
  feature_column *columns = malloc(KWS_FRONTEND_FRAMES * column);
  kws_frontend *state = malloc(sizeof *state);
  kws_frontend *fresh = malloc(sizeof *fresh);

  CHECK(clip != NULL && columns != NULL && state != NULL && fresh != NULL);
  for (uint32_t i = 0; i < KWS_FRONTEND_CLIP; ++i) {
    clip[i] = samples[i % count];
  }
  kws_frontend_clip(state, clip, columns);
  kws_frontend_reset(fresh);
  CHECK(memcmp(state, fresh, sizeof *state) == 0);

  feature_column *streamed = stream(clip, KWS_FRONTEND_CLIP, NULL, 0, 0);
  for (uint32_t n = 0; n < columns_of(KWS_FRONTEND_CLIP); ++n) {
    const int is_inside = n * KWS_FRONTEND_HOP >= KWS_FRONTEND_WINDOW / 2;
    CHECK(!is_inside || memcmp(columns[n], streamed[n], column) == 0);
  }
  free(streamed);
  free(fresh);
  free(state);
  free(columns);
  free(clip);
}

// A push on a state that was never reset but is `bytes` over and over.
static void check_never_reset(const uint8_t *bytes, size_t size, const int16_t *samples, uint32_t count) {
  kws_frontend *state = malloc(sizeof *state);
  int8_t *const column = malloc(KWS_FRONTEND_COLUMN);
  int32_t ready = -1;

  CHECK(state != NULL && column != NULL);
  for (size_t i = 0; i < sizeof *state; ++i) {
    ((uint8_t *)state)[i] = bytes[i % size];
  }
  kws_frontend *const before = copy_of(state, sizeof *state);
  const uint32_t taken = kws_frontend_push(state, samples, count, column, &ready);
  if (taken == KWS_FRONTEND_NOT_RESET) {
    uint32_t calls = 0;
    for (uint32_t done = 0; done < count;) {  // as frontend.h shows it
      CHECK(++calls == 1);
      done += kws_frontend_push(state, samples + done, count - done, column, &ready);
    }
    CHECK(ready == 0 && memcmp(state, before, sizeof *state) == 0);
  } else {
    CHECK(taken <= count && size >= 4);  // the fuzzer has found what a reset leaves there
  }
  free(before);
  free(column);
  free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) {
    return 0;
  }
  const uint8_t flags = data[0];
  const uint32_t n = data[1] < size - 2 ? data[1] : (uint32_t)(size - 2);
  const uint8_t *const lengths = data + 2;
  const uint32_t count = (uint32_t)((size - 2 - n) / 2);
  int16_t *const samples = copy_of(lengths + n, count * sizeof *samples);
  feature_column *const columns = stream(samples, count, lengths, n, flags);
  feature_column *const expected = stream(samples, count, NULL, 0, 0);

  CHECK(memcmp(columns, expected, columns_of(count) * sizeof *columns) == 0);
  check_never_reset(data, size, samples, count);
  check_never_reset(data, 1, samples, count);
  if ((flags & CHECK_CLIP) && count > 0) {
    check_clip(samples, count);
  }
  free(expected);
  free(columns);
  free(samples);
  return 0;
}

#ifndef WITH_LIBFUZZER
int main(int argc, char **argv) {
  static uint8_t data[1 << 20];

  for (int i = 1; i < argc; ++i) {
    FILE *file = fopen(argv[i], "rb");
    CHECK(file != NULL);
    LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
    fclose(file);
  }
  printf("%d inputs\n", argc - 1);
  return 0;
}
#endif
