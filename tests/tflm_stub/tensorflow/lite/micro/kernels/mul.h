// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_KERNELS_MUL_H
#define TFLM_STUB_KERNELS_MUL_H

#include "tensorflow/lite/c/common.h"

#ifndef TFLM_STUB_OLD
TFLM_STUB_BEGIN

inline TFLMRegistration Register_MUL_INT8() {
  return {"MUL int8"};
}

TFLM_STUB_END
#endif

#endif  // TFLM_STUB_KERNELS_MUL_H
