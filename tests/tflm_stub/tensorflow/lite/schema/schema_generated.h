// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_SCHEMA_GENERATED_H
#define TFLM_STUB_SCHEMA_GENERATED_H

#include "tflm_stub.h"

namespace tflite {

class Model {
 public:
  uint32_t version() const { return tflm_stub::control().version; }
};

inline const Model *GetModel(const void *data) {
  static const Model model = Model();
  tflm_stub::control().model_data = data;
  return &model;
}

}  // namespace tflite

#endif  // TFLM_STUB_SCHEMA_GENERATED_H
