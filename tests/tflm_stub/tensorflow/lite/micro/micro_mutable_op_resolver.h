// Stand-in for TFLM's header of this name, for tests only; see tflm_stub.h.
#ifndef TFLM_STUB_MICRO_MUTABLE_OP_RESOLVER_H
#define TFLM_STUB_MICRO_MUTABLE_OP_RESOLVER_H

#include <string.h>

#include "tensorflow/lite/c/common.h"

TFLM_STUB_BEGIN

class MicroOpResolver {
 public:
  virtual int RegistrationCount() const = 0;

 protected:
  ~MicroOpResolver() {}
};

#define TFLM_STUB_ADD(name)                  \
  TfLiteStatus Add##name() {                 \
    return Record("Add" #name, "all types"); \
  }

#ifdef TFLM_STUB_OLD
#define TFLM_STUB_ADD_ANY(name) TFLM_STUB_ADD(name)
#else
#define TFLM_STUB_ADD_ANY(name)                                  \
  TFLM_STUB_ADD(name)                                            \
  TfLiteStatus Add##name(const TFLMRegistration &registration) { \
    return Record("Add" #name, registration.kernels);            \
  }
#endif

template <unsigned int kCapacity>
class MicroMutableOpResolver final : public MicroOpResolver {
 public:
  MicroMutableOpResolver() {
    tflm_stub::control().added_count = 0;
    tflm_stub::control().capacity = kCapacity;
  }

  int RegistrationCount() const override { return count_; }

  TFLM_STUB_ADD(Abs)
  TFLM_STUB_ADD_ANY(Add)
  TFLM_STUB_ADD(AddN)
  TFLM_STUB_ADD(ArgMax)
  TFLM_STUB_ADD(ArgMin)
  TFLM_STUB_ADD(AssignVariable)
  TFLM_STUB_ADD(AveragePool2D)
  TFLM_STUB_ADD(BatchMatMul)
  TFLM_STUB_ADD(BatchToSpaceNd)
  TFLM_STUB_ADD(BroadcastArgs)
  TFLM_STUB_ADD(BroadcastTo)
  TFLM_STUB_ADD(CallOnce)
  TFLM_STUB_ADD(Cast)
  TFLM_STUB_ADD(Ceil)
  TFLM_STUB_ADD(Concatenation)
  TFLM_STUB_ADD_ANY(Conv2D)
  TFLM_STUB_ADD(Cos)
  TFLM_STUB_ADD(CumSum)
  TFLM_STUB_ADD(DepthToSpace)
  TFLM_STUB_ADD_ANY(DepthwiseConv2D)
  TFLM_STUB_ADD(Dequantize)
  TFLM_STUB_ADD(Div)
  TFLM_STUB_ADD(DynamicUpdateSlice)
  TFLM_STUB_ADD(Elu)
  TFLM_STUB_ADD(EmbeddingLookup)
  TFLM_STUB_ADD(Equal)
  TFLM_STUB_ADD(Exp)
  TFLM_STUB_ADD(ExpandDims)
  TFLM_STUB_ADD(Fill)
  TFLM_STUB_ADD(Floor)
  TFLM_STUB_ADD(FloorDiv)
  TFLM_STUB_ADD(FloorMod)
  TFLM_STUB_ADD(FullyConnected)
  TFLM_STUB_ADD(Gather)
  TFLM_STUB_ADD(GatherNd)
  TFLM_STUB_ADD(Greater)
  TFLM_STUB_ADD(GreaterEqual)
  TFLM_STUB_ADD(HardSwish)
  TFLM_STUB_ADD(If)
  TFLM_STUB_ADD(L2Normalization)
  TFLM_STUB_ADD(L2Pool2D)
  TFLM_STUB_ADD(LeakyRelu)
  TFLM_STUB_ADD(Less)
  TFLM_STUB_ADD(LessEqual)
  TFLM_STUB_ADD(Log)
  TFLM_STUB_ADD(LogSoftmax)
  TFLM_STUB_ADD(LogicalAnd)
  TFLM_STUB_ADD(LogicalNot)
  TFLM_STUB_ADD(LogicalOr)
  TFLM_STUB_ADD(Logistic)
  TFLM_STUB_ADD(MaxPool2D)
  TFLM_STUB_ADD(Maximum)
  TFLM_STUB_ADD(Mean)
  TFLM_STUB_ADD(Minimum)
  TFLM_STUB_ADD(MirrorPad)
  TFLM_STUB_ADD_ANY(Mul)
  TFLM_STUB_ADD(Neg)
  TFLM_STUB_ADD(NotEqual)
  TFLM_STUB_ADD(Pack)
  TFLM_STUB_ADD(Pad)
  TFLM_STUB_ADD(PadV2)
  TFLM_STUB_ADD(Prelu)
  TFLM_STUB_ADD(Quantize)
  TFLM_STUB_ADD(ReadVariable)
  TFLM_STUB_ADD(ReduceAll)
  TFLM_STUB_ADD(ReduceMax)
  TFLM_STUB_ADD(ReduceMin)
  TFLM_STUB_ADD(Relu)
  TFLM_STUB_ADD(Relu6)
  TFLM_STUB_ADD(Reshape)
  TFLM_STUB_ADD(ResizeBilinear)
  TFLM_STUB_ADD(ResizeNearestNeighbor)
  TFLM_STUB_ADD(ReverseV2)
  TFLM_STUB_ADD(Round)
  TFLM_STUB_ADD(Rsqrt)
  TFLM_STUB_ADD(SelectV2)
  TFLM_STUB_ADD(Shape)
  TFLM_STUB_ADD(Sin)
  TFLM_STUB_ADD(Slice)
  TFLM_STUB_ADD(Softmax)
  TFLM_STUB_ADD(SpaceToBatchNd)
  TFLM_STUB_ADD(SpaceToDepth)
  TFLM_STUB_ADD(Split)
  TFLM_STUB_ADD(SplitV)
  TFLM_STUB_ADD(Sqrt)
  TFLM_STUB_ADD(Square)
  TFLM_STUB_ADD(SquaredDifference)
  TFLM_STUB_ADD(Squeeze)
  TFLM_STUB_ADD(StridedSlice)
  TFLM_STUB_ADD(Sub)
  TFLM_STUB_ADD(Sum)
  TFLM_STUB_ADD(Svdf)
  TFLM_STUB_ADD(Tanh)
  TFLM_STUB_ADD(Transpose)
  TFLM_STUB_ADD(TransposeConv)
  TFLM_STUB_ADD(UnidirectionalSequenceLSTM)
  TFLM_STUB_ADD(Unpack)
  TFLM_STUB_ADD(VarHandle)
  TFLM_STUB_ADD(While)
  TFLM_STUB_ADD(ZerosLike)

 private:
  // Refuses, as TFLM does, an operator that is there already and one more than there is room for.
  TfLiteStatus Record(const char *name, const char *kernels) {
    tflm_stub::Control &control = tflm_stub::control();
    if (control.fail_add == count_ || count_ >= static_cast<int>(kCapacity)) {
      return kTfLiteError;
    }
    for (int index = 0; index < count_; ++index) {
      if (strcmp(control.added[index], name) == 0) {
        return kTfLiteError;
      }
    }
    control.added[count_] = name;
    control.kernels[count_] = kernels;
    control.added_count = ++count_;
    return kTfLiteOk;
  }

  int count_ = 0;
};

TFLM_STUB_END

#endif  // TFLM_STUB_MICRO_MUTABLE_OP_RESOLVER_H
