// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_KERNELS_CONV_H
#define TFLM_STUB_KERNELS_CONV_H

#include "tensorflow/lite/c/common.h"

#ifndef TFLM_STUB_OLD
TFLM_STUB_BEGIN

inline TFLMRegistration Register_CONV_2D_INT8() {
  return {"CONV_2D int8"};
}

TFLM_STUB_END
#endif

#endif  // TFLM_STUB_KERNELS_CONV_H
