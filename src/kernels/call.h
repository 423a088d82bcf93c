// What MindSpore hands to a function that ops.Custom calls (func_type "aot"): inputs, then outputs.
#pragma once

#include <cstdint>
#include <cstring>

namespace albert {

class Call {
 public:
  Call(int count, void** values, int* ranks, int64_t** shapes, const char** types)
      : count_(count), values_(values), ranks_(ranks), shapes_(shapes), types_(types) {}

  // Say whether there are `count` tensors, all of them float32.
  bool fits(int count) const {
    if (count_ != count) return false;
    for (int i = 0; i < count; ++i) {
      if (std::strcmp(types_[i], "float32") != 0) return false;
    }
    return true;
  }
  float* operator[](int i) const { return static_cast<float*>(values_[i]); }
  int64_t axis(int i, int axis) const { return shapes_[i][axis < 0 ? ranks_[i] + axis : axis]; }
  int64_t size(int i) const {
    int64_t product = 1;
    for (int axis = 0; axis < ranks_[i]; ++axis) product *= shapes_[i][axis];
    return product;
  }
  // All axes but the last, as one.
  int64_t rows(int i) const { return axis(i, -1) == 0 ? 0 : size(i) / axis(i, -1); }

 private:
  int count_;
  void** values_;
  int* ranks_;
  int64_t** shapes_;
  const char** types_;
};

}  // namespace albert

// Defines a function for ops.Custom that takes `tensors` tensors; what follows is its body, with the tensors in `call`.
#define ALBERT_KERNEL(name, tensors)                                                                       \
  static void name##_body(const albert::Call& call);                                                       \
  extern "C" int name(int count, void** values, int* ranks, int64_t** shapes, const char** types, void*,   \
                      void*) {                                                                             \
    const albert::Call call(count, values, ranks, shapes, types);                                          \
    if (!call.fits(tensors)) return 1;                                                                     \
    name##_body(call);                                                                                     \
    return 0;                                                                                              \
  }                                                                                                        \
  static void name##_body(const albert::Call& call)
