// Sixteen float32 numbers at a time, in the vector extensions that GCC and Clang share: the compiler turns them into
// whatever the processor has.
#pragma once

#include <cstdint>
#include <cstring>

namespace albert {

constexpr int64_t kLanes = 16;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t IntLanes __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef uint32_t BitLanes __attribute__((vector_size(kLanes * sizeof(uint32_t))));

// Where a group of numbers is in a row. The last group of a row may hold fewer than sixteen.
struct Whole {
  int64_t at;
};
struct Rest {
  int64_t at;
  int64_t count;
};

inline Lanes load(const float* row, Whole place) {
  Lanes values;
  std::memcpy(&values, row + place.at, sizeof(values));
  return values;
}

inline Lanes load(const float* row, Rest place) {
  Lanes values{};
  std::memcpy(&values, row + place.at, place.count * sizeof(float));
  return values;
}

inline void store(float* row, Whole place, Lanes values) { std::memcpy(row + place.at, &values, sizeof(values)); }

inline void store(float* row, Rest place, Lanes values) {
  std::memcpy(row + place.at, &values, place.count * sizeof(float));
}

// Take `values` where a group has numbers and `otherwise` behind the end of the row.
inline Lanes inside(Whole, Lanes values, float) { return values; }

inline Lanes inside(Rest place, Lanes values, float otherwise) {
  Lanes kept = otherwise + Lanes{};
  std::memcpy(&kept, &values, place.count * sizeof(float));
  return kept;
}

// Call `work` for each group of a row.
template <typename Work>
inline void sweep(int64_t size, Work work) {
  int64_t at = 0;
  for (; at + kLanes <= size; at += kLanes) work(Whole{at});
  if (at < size) work(Rest{at, size - at});
}

inline float sum(Lanes values) {
  float halves[kLanes];
  std::memcpy(halves, &values, sizeof(halves));
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t i = 0; i < width; ++i) halves[i] += halves[i + width];
  }
  return halves[0];
}

inline Lanes greater(Lanes left, Lanes right) { return left > right ? left : right; }

inline float greatest(Lanes values) {
  float result = values[0];
  for (int64_t i = 1; i < kLanes; ++i) result = values[i] > result ? values[i] : result;
  return result;
}

// e^x within two units in the last place; 0 below -87.3, where the result would not be a normal number, infinity from 88.4
// on, and NaN of NaN.
// Cody and Waite's reduction to |r| <= ln(2) / 2 and the polynomial of the Cephes library.
inline Lanes exponential(Lanes x) {
  const float lowest = -87.3f, highest = 88.7f;
  Lanes bounded = x < lowest ? lowest + Lanes{} : x;
  bounded = bounded > highest ? highest + Lanes{} : bounded;
  // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
  const float rounder = 12582912.0f;
  const Lanes power = (bounded * 1.44269504088896341f + rounder) - rounder;
  const Lanes r = (bounded - power * 0.693359375f) + power * 2.12194440e-4f;
  Lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const IntLanes bits = (__builtin_convertvector(power, IntLanes) + 127) << 23;
  Lanes scale;
  std::memcpy(&scale, &bits, sizeof(scale));
  const Lanes result = p * scale;
  return x < lowest ? Lanes{} : result;
}

}  // namespace albert
