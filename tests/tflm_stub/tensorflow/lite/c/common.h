// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_COMMON_H
#define TFLM_STUB_COMMON_H

#include "tflm_stub.h"

TFLM_STUB_C_BEGIN

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

enum TfLiteType { kTfLiteNoType = 0, kTfLiteFloat32 = 1, kTfLiteUInt8 = 3, kTfLiteInt8 = 9 };

struct TfLiteIntArray {
  int size;
  int data[8];  // as many as `size` says, in TFLM
};

struct TfLiteQuantizationParams {
  float scale;
  int32_t zero_point;
};

union TfLitePtrUnion {
  float *f;
  uint8_t *uint8;
  int8_t *int8;
  void *data;
};

#if defined(TF_LITE_STATIC_MEMORY) || defined(TFLM_STUB_NESTED)
struct TfLiteTensor {
  TfLiteQuantizationParams params;
  TfLitePtrUnion data;
  TfLiteIntArray *dims;
  size_t bytes;
  TfLiteType type;
};
#else
struct TfLiteTensor {
  TfLiteType type;
  TfLitePtrUnion data;
  TfLiteIntArray *dims;
  TfLiteQuantizationParams params;
  size_t bytes;
};
#endif

struct TFLMRegistration {
  const char *kernels;  // in place of functions
};

TFLM_STUB_C_END

#endif  // TFLM_STUB_COMMON_H
