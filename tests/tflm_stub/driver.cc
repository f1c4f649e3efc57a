// Runs the generated kws_tflm.cc over the stand-in, one step for each argument, and prints what came of each:
//
//   driver input=9,4,1,40,101,1,0.09375,19 output=9,2,1,12,0.1,-5 needed=9000 init=9000 columns=features.bin run
//
// input, output: type, rank, shape..., scale, zero point of the stand-in's tensors.
// File names hold raw features, int8: columns reads [frame][mel], infer reads [mel][frame], push_ring any number of
// columns; or raw int8 scores, of which probabilities reads any number, in groups of KWS_CLASSES; or raw samples,
// int16: audio and clip read a clip.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <string>
#include <vector>

#include "kws_tflm.h"
#include "model.h"
#include "tflm_stub.h"

namespace {

std::vector<double> Numbers(const std::string &text) {
  std::vector<double> numbers;
  for (const char *at = text.c_str(); *at != '\0';) {
    char *end = nullptr;
    numbers.push_back(strtod(at, &end));
    at = *end == ',' ? end + 1 : end;
  }
  return numbers;
}

tflm_stub::TensorSettings Settings(const std::string &text) {
  const std::vector<double> numbers = Numbers(text);
  tflm_stub::TensorSettings settings = {};
  settings.type = static_cast<int>(numbers[0]);
  settings.rank = static_cast<int>(numbers[1]);
  for (int axis = 0; axis < settings.rank; ++axis) {
    settings.shape[axis] = static_cast<int>(numbers[static_cast<size_t>(2 + axis)]);
  }
  settings.scale = static_cast<float>(numbers[numbers.size() - 2]);
  settings.zero_point = static_cast<int>(numbers.back());
  return settings;
}

template <typename Value>
std::vector<Value> Read(const std::string &path, size_t count) {
  std::vector<Value> values(count);
  FILE *file = fopen(path.c_str(), "rb");
  if (file == nullptr || fread(values.data(), sizeof(Value), count, file) != count) {
    fprintf(stderr, "cannot read %s\n", path.c_str());
    exit(3);
  }
  fclose(file);
  return values;
}

void PrintBytes(const char *name, const int8_t *bytes, size_t count) {
  printf("%s ", name);
  for (size_t index = 0; index < count; ++index) {
    printf("%02x", static_cast<unsigned>(static_cast<uint8_t>(bytes[index])));
  }
  printf("\n");
}

// Each arena is freed when the next one is made, as an application may do between two calls of kws_tflm_init().
struct Memory {
  std::unique_ptr<uint8_t[]> arena;
  kws_frontend frontend;
  kws_ring ring;
  void Init(size_t size, size_t offset) {
    arena.reset(new uint8_t[size + offset]);
    printf("init %d\n", static_cast<int>(kws_tflm_init(arena.get() + offset, size)));
  }
};

void Step(const std::string &name, const std::string &value, Memory *memory) {
  tflm_stub::Control &control = tflm_stub::control();
  std::vector<int8_t> scores(KWS_CLASSES, 99);
  if (name == "input") {
    control.input = Settings(value);
  } else if (name == "output") {
    control.output = Settings(value);
  } else if (name == "version") {
    control.version = static_cast<uint32_t>(atoi(value.c_str()));
  } else if (name == "needed") {
    control.arena_needed = static_cast<size_t>(atol(value.c_str()));
  } else if (name == "fail_add") {
    control.fail_add = atoi(value.c_str());
  } else if (name == "fail_invoke") {
    control.fail_invoke = value == "1";
  } else if (name == "no_input") {
    control.no_input = value == "1";
  } else if (name == "init") {
    memory->Init(static_cast<size_t>(atol(value.c_str())), 0);
  } else if (name == "init_unaligned") {
    memory->Init(static_cast<size_t>(atol(value.c_str())), 1);
  } else if (name == "init_null") {
    printf("init %d\n", static_cast<int>(kws_tflm_init(nullptr, KWS_TFLM_ARENA_BYTES)));
  } else if (name == "columns") {
    const std::vector<int8_t> columns = Read<int8_t>(value, KWS_FEATURE_COUNT);
    for (int frame = 0; frame < KWS_FRAMES; ++frame) {
      const kws_tflm_status status = kws_tflm_set_column(frame, columns.data() + frame * KWS_MELS);
      if (status != KWS_TFLM_OK) {
        printf("column %d\n", static_cast<int>(status));
      }
    }
  } else if (name == "column") {
    const std::vector<int8_t> column(KWS_MELS, 7);
    printf("column %d\n", static_cast<int>(kws_tflm_set_column(atoi(value.c_str()), column.data())));
  } else if (name == "column_null") {
    printf("column %d\n", static_cast<int>(kws_tflm_set_column(0, nullptr)));
  } else if (name == "run") {
    printf("run %d\n", static_cast<int>(kws_tflm_run(scores.data())));
    PrintBytes("scores", scores.data(), scores.size());
  } else if (name == "run_null") {
    printf("run %d\n", static_cast<int>(kws_tflm_run(nullptr)));
  } else if (name == "infer") {
    const std::vector<int8_t> features = Read<int8_t>(value, KWS_FEATURE_COUNT);
    printf("infer %d\n", static_cast<int>(kws_tflm_infer(features.data(), scores.data())));
    PrintBytes("scores", scores.data(), scores.size());
  } else if (name == "infer_null") {
    printf("infer %d\n", static_cast<int>(kws_tflm_infer(nullptr, scores.data())));
    printf("infer %d\n", static_cast<int>(kws_tflm_infer(scores.data(), nullptr)));
  } else if (name == "audio") {
    const std::vector<int16_t> samples = Read<int16_t>(value, KWS_CLIP_SAMPLES);
    printf("audio %d\n", static_cast<int>(kws_tflm_infer_audio(&memory->frontend, samples.data(), scores.data())));
    PrintBytes("scores", scores.data(), scores.size());
  } else if (name == "audio_null") {
    const std::vector<int16_t> samples(KWS_CLIP_SAMPLES);
    kws_frontend *const frontend = &memory->frontend;
    printf("audio %d\n", static_cast<int>(kws_tflm_infer_audio(nullptr, samples.data(), scores.data())));
    printf("audio %d\n", static_cast<int>(kws_tflm_infer_audio(frontend, nullptr, scores.data())));
    printf("audio %d\n", static_cast<int>(kws_tflm_infer_audio(frontend, samples.data(), nullptr)));
  } else if (name == "clip") {
    const std::vector<int16_t> samples = Read<int16_t>(value, KWS_CLIP_SAMPLES);
    int8_t columns[KWS_FRAMES][KWS_MELS];
    kws_frontend_clip(&memory->frontend, samples.data(), columns);
    PrintBytes("clip", columns[0], sizeof(columns));
  } else if (name == "frontend") {
    kws_frontend fresh;
    kws_frontend_reset(&fresh);
    printf("frontend %s\n", memcmp(&fresh, &memory->frontend, sizeof(fresh)) == 0 ? "reset" : "in use");
  } else if (name == "reset_ring") {
    kws_ring_reset(&memory->ring);
  } else if (name == "push_ring") {
    const size_t comma = value.find(',');
    const size_t count = static_cast<size_t>(atol(value.c_str()));
    const std::vector<int8_t> columns = Read<int8_t>(value.substr(comma + 1), count * KWS_MELS);
    for (size_t index = 0; index < count; ++index) {
      const kws_tflm_status status = kws_ring_push(&memory->ring, columns.data() + index * KWS_MELS);
      if (status != KWS_TFLM_OK) {
        printf("push %d\n", static_cast<int>(status));
      }
    }
  } else if (name == "spoil_ring") {
    const std::vector<double> next_count = Numbers(value);
    memset(&memory->ring, 0xa5, sizeof(memory->ring));
    memory->ring.next = static_cast<int32_t>(next_count[0]);
    memory->ring.count = static_cast<int32_t>(next_count[1]);
  } else if (name == "show_ring") {
    PrintBytes("shown", reinterpret_cast<const int8_t *>(&memory->ring), sizeof(memory->ring));
  } else if (name == "ring") {
    printf("ring %d\n", static_cast<int>(kws_tflm_infer_ring(&memory->ring, scores.data())));
    PrintBytes("scores", scores.data(), scores.size());
  } else if (name == "ring_null") {
    printf("ring %d\n", static_cast<int>(kws_tflm_infer_ring(nullptr, scores.data())));
    printf("ring %d\n", static_cast<int>(kws_tflm_infer_ring(&memory->ring, nullptr)));
  } else if (name == "probabilities") {
    const size_t comma = value.find(',');
    const size_t count = static_cast<size_t>(atol(value.c_str())) * KWS_CLASSES;
    const std::vector<int8_t> several = Read<int8_t>(value.substr(comma + 1), count);
    std::vector<int16_t> wide(count);
    std::vector<uint8_t> probabilities;
    for (size_t start = 0; start < count; start += KWS_CLASSES) {
      kws_tflm_scores(several.data() + start, wide.data() + start);
      for (int index = 0; index < KWS_CLASSES; ++index) {
        probabilities.push_back(kws_tflm_probability(wide.data() + start, index));
      }
    }
    PrintBytes("wide", reinterpret_cast<const int8_t *>(wide.data()), 2 * count);
    PrintBytes("probabilities", reinterpret_cast<const int8_t *>(probabilities.data()), count);
    printf("scale %.9g\n", static_cast<double>(KWS_TFLM_SCORE_SCALE));
  } else if (name == "used") {
    printf("used %lu\n", static_cast<unsigned long>(kws_tflm_arena_used_bytes()));
  } else if (name == "enough") {
    printf("enough %lu\n", static_cast<unsigned long>(kws_tflm_arena_needed_bytes()));
  } else if (name == "seen") {
    PrintBytes("seen", control.seen, KWS_FEATURE_COUNT);
  } else if (name == "ops") {
    for (int index = 0; index < control.added_count; ++index) {
      printf("op %s, %s\n", control.added[index], control.kernels[index]);
    }
    printf("capacity %u\n", control.capacity);
  } else if (name == "counts") {
    printf("interpreters %d\ndestroyed %d\ninvocations %d\n", control.interpreters, control.destroyed,
           control.invocations);
  } else if (name == "model") {
    printf("model %d\n", control.model_data == g_kws_model_data);
  } else if (name == "labels") {
    for (int index = 0; index < KWS_CLASSES; ++index) {
      PrintBytes("label", reinterpret_cast<const int8_t *>(kws_labels[index]), strlen(kws_labels[index]));
    }
  } else if (name == "index") {
    const std::vector<double> numbers = Numbers(value);
    printf("index %lu\n", static_cast<unsigned long>(
                              kws_input_index(static_cast<size_t>(numbers[0]), static_cast<size_t>(numbers[1]))));
  } else {
    fprintf(stderr, "no step %s\n", name.c_str());
    exit(3);
  }
}

}  // namespace

int main(int argc, char **argv) {
  tflm_stub::control().version = KWS_SCHEMA_VERSION;
  tflm_stub::control().fail_add = -1;
  Memory memory = {};
  memset(&memory.frontend, 0xa5, sizeof(memory.frontend));  // as if nobody had set it up
  for (int index = 1; index < argc; ++index) {
    const std::string step = argv[index];
    const size_t equals = step.find('=');
    Step(step.substr(0, equals), equals == std::string::npos ? "" : step.substr(equals + 1), &memory);
  }
  return 0;
}
