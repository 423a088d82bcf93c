// Bias and GELU in its tanh form (arXiv:1606.08415, section 2): y = u s(2z) with u = x + b, the sigmoid s and
// 2z = sqrt(8 / pi) (u + 0.044715 u^3).
#include "call.h"
#include "lanes.h"
#include "parallel.h"

using albert::Lanes;

namespace {

constexpr float kLinear = 1.5957691216057308f;
constexpr float kCubic = 0.044715f * kLinear;
constexpr int64_t kRowsOfChunk = 8;

inline Lanes gate(Lanes u) { return 1.0f / (1.0f + albert::exponential(-u * (kLinear + kCubic * u * u))); }

}  // namespace

// x [M, F], bias [F] -> y [M, F]
ALBERT_KERNEL(albert_bias_gelu, 3) {
  const int64_t rows = call.rows(0), size = call.axis(0, -1);
  const float* bias = call[1];
  albert::parallel_for((rows + kRowsOfChunk - 1) / kRowsOfChunk, [&](int64_t chunk) {
    for (int64_t row = chunk * kRowsOfChunk; row < rows && row < (chunk + 1) * kRowsOfChunk; ++row) {
      const float* x = call[0] + row * size;
      float* y = call[2] + row * size;
      albert::sweep(size, [&](auto place) {
        const Lanes u = albert::load(x, place) + albert::load(bias, place);
        albert::store(y, place, u * gate(u));
      });
    }
  });
}

// x [M, F], bias [F], dy [M, F] -> dx [M, F], dbias [F]
ALBERT_KERNEL(albert_bias_gelu_grad, 5) {
  const int64_t rows = call.rows(0), size = call.axis(0, -1);
  const float* bias = call[1];
  albert::RowChunks chunks(rows, size, 1);
  chunks.run([&](int64_t row, float* sums) {
    const float *x = call[0] + row * size, *dy = call[2] + row * size;
    float* dx = call[3] + row * size;
    albert::sweep(size, [&](auto place) {
      const Lanes u = albert::load(x, place) + albert::load(bias, place);
      const Lanes s = gate(u);
      const Lanes slope = s + s * (1.0f - s) * u * (kLinear + 3.0f * kCubic * u * u);
      const Lanes d = albert::load(dy, place) * slope;
      albert::store(dx, place, d);
      albert::store(sums, place, albert::load(sums, place) + d);
    });
  });
  chunks.total(0, call[4]);
}
