// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_MICRO_INTERPRETER_H
#define TFLM_STUB_MICRO_INTERPRETER_H

#include <string.h>

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#define TFLITE_SCHEMA_VERSION (3)

TFLM_STUB_BEGIN

class MicroInterpreter {
 public:
  MicroInterpreter(const tflite::Model *, const MicroOpResolver &, uint8_t *arena, size_t arena_size)
      : arena_(arena), arena_size_(arena_size) {
    ++tflm_stub::control().interpreters;
    arena_[arena_size_ - 1] = 1;  // TFLM's bookkeeping lies at the end
  }

  MicroInterpreter(const MicroInterpreter &) = delete;
  MicroInterpreter &operator=(const MicroInterpreter &) = delete;

  ~MicroInterpreter() {
    ++tflm_stub::control().destroyed;
    arena_[arena_size_ - 1] = 0;  // reads and writes the arena, as TFLM's does
  }

  TfLiteStatus AllocateTensors() {
    const tflm_stub::Control &control = tflm_stub::control();
    const size_t past = static_cast<size_t>(reinterpret_cast<uintptr_t>(arena_) % 16);
    const size_t padding = past == 0 ? 0 : 16 - past;
    if (arena_size_ < padding + control.arena_needed) {
      return kTfLiteError;
    }
    const size_t input_bytes = Fill(control.input, arena_ + padding, &input_, &input_dims_);
    Fill(control.output, arena_ + padding + input_bytes, &output_, &output_dims_);
    used_ = control.arena_needed - 4;  // what TFLM reports does not suffice
    return kTfLiteOk;
  }

  // Records the input, writes input element c as score of class c, and spoils the input, whose memory TFLM reuses.
  TfLiteStatus Invoke() {
    tflm_stub::Control &control = tflm_stub::control();
    ++control.invocations;
    if (control.fail_invoke) {
      return kTfLiteError;
    }
    memcpy(control.seen, input_.data.int8, input_.bytes);
    memcpy(output_.data.int8, control.seen, output_.bytes);
    memset(input_.data.int8, 0x55, input_.bytes);
    return kTfLiteOk;
  }

  TfLiteTensor *input(size_t index) { return index == 0 && !tflm_stub::control().no_input ? &input_ : nullptr; }

  TfLiteTensor *output(size_t index) { return index == 0 ? &output_ : nullptr; }

  size_t arena_used_bytes() const { return used_; }

 private:
  static size_t Fill(const tflm_stub::TensorSettings &settings, uint8_t *memory, TfLiteTensor *tensor,
                     TfLiteIntArray *dims) {
    size_t bytes = 1;
    dims->size = settings.rank;
    for (int axis = 0; axis < settings.rank; ++axis) {
      dims->data[axis] = settings.shape[axis];
      bytes *= static_cast<size_t>(settings.shape[axis]);
    }
    tensor->params.scale = settings.scale;
    tensor->params.zero_point = settings.zero_point;
    tensor->data.uint8 = memory;
    tensor->dims = dims;
    tensor->bytes = bytes;
    tensor->type = static_cast<TfLiteType>(settings.type);
    return bytes;
  }

  uint8_t *arena_;
  size_t arena_size_;
  size_t used_ = 0;
  TfLiteTensor input_ = {};
  TfLiteTensor output_ = {};
  TfLiteIntArray input_dims_ = {};
  TfLiteIntArray output_dims_ = {};
};

TFLM_STUB_END

#endif  // TFLM_STUB_MICRO_INTERPRETER_H
