// Behind the stand-in for TFLM: what a test sets, and what it may look at afterwards.
//
// The stand-in declares of TFLM what the generated sources use, in TFLM's folders and namespaces, so that they
// compile without TFLM; and it behaves as TFLM does where the generated code depends on it. It computes no network.
// With -DTFLM_STUB_NESTED the names lie in tflite::micro, as in the newer releases, else in tflite and globally; the
// newer ones have one layout of tensors, the others a second one without -DTF_LITE_STATIC_MEMORY.
// With -DTFLM_STUB_OLD it is a release from before kernels could be registered for int8 alone.
#ifndef TFLM_STUB_H
#define TFLM_STUB_H

#include <stddef.h>
#include <stdint.h>

#ifdef TFLM_STUB_NESTED
#define TFLM_STUB_C_BEGIN \
  namespace tflite {      \
  namespace micro {
#define TFLM_STUB_C_END \
  }                     \
  }
#define TFLM_STUB_BEGIN \
  namespace tflite {    \
  namespace micro {
#define TFLM_STUB_END \
  }                   \
  }
#else
#define TFLM_STUB_C_BEGIN
#define TFLM_STUB_C_END
#define TFLM_STUB_BEGIN namespace tflite {
#define TFLM_STUB_END }
#endif

namespace tflm_stub {

struct TensorSettings {
  int type;      // number of the TfLiteType
  int rank;
  int shape[8];
  float scale;
  int zero_point;
};

struct Control {
  // Set by the test.
  uint32_t version;      // the model's schema version
  size_t arena_needed;   // AllocateTensors() fails with less, counted from the aligned start
  int fail_add;          // index of the Add call that fails, -1: none
  bool fail_invoke;
  bool no_input;         // input(0) is null
  TensorSettings input;
  TensorSettings output;
  // Recorded.
  const void *model_data;       // what GetModel() was given
  const char *added[128];       // Add functions in the order of the calls
  const char *kernels[128];     // what each registered
  int added_count;              // of the latest resolver
  unsigned capacity;            // of the latest resolver
  int interpreters;             // constructed
  int destroyed;                // interpreters
  int invocations;
  int8_t seen[1 << 16];         // the input tensor when Invoke() was called
};

inline Control &control() {
  static Control instance = {};
  return instance;
}

}  // namespace tflm_stub

#endif  // TFLM_STUB_H
