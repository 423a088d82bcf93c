// LayerNorm over the last axis (arXiv:1607.06450), of one matrix or of a residual sum with dropout, and its backward pass.
// The backward pass computes sum, mean and deviation again: a row is in the cache anyway, and nothing is kept for it.
#include <cmath>
#include <vector>

#include "call.h"
#include "dropout.h"
#include "lanes.h"
#include "parallel.h"

using albert::Lanes;

namespace {

constexpr int64_t kRowsOfChunk = 16;

struct Moments {
  float mean, inverse_deviation;
};

Moments moments(const float* row, int64_t size, float epsilon) {
  Lanes total{};
  albert::sweep(size, [&](auto place) { total += albert::load(row, place); });
  const float mean = albert::sum(total) / size;
  Lanes squares{};
  albert::sweep(size, [&](auto place) {
    const Lanes centered = albert::inside(place, albert::load(row, place) - mean, 0.0f);
    squares += centered * centered;
  });
  return {mean, 1.0f / std::sqrt(albert::sum(squares) / size + epsilon)};
}

// Numbers of one row, where the sum of the inputs is kept while it is read several times.
class RowBuffer {
 public:
  static float* of(int64_t size) {
    thread_local std::vector<float> buffer;
    if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
    return buffer.data();
  }
};

// What is normalised: x, or residual + dropout(x + bias).
struct Inputs {
  const float* x;
  int64_t size;
  const float *bias = nullptr, *residual = nullptr;
  const albert::Dropout* dropout = nullptr;

  // Return what dropout multiplies the numbers of a group with.
  template <typename Place>
  Lanes factors(int64_t row, Place place) const {
    return dropout != nullptr && dropout->drops() ? dropout->factors(row * size + place.at) : 1.0f + Lanes{};
  }

  const float* row(int64_t row) const {
    const float* values = x + row * size;
    if (residual == nullptr) return values;
    float* buffer = RowBuffer::of(size);
    albert::sweep(size, [&](auto place) {
      const Lanes added = (albert::load(values, place) + albert::load(bias, place)) * factors(row, place);
      albert::store(buffer, place, added + albert::load(residual + row * size, place));
    });
    return buffer;
  }
};

void normalize(const Inputs& inputs, int64_t rows, const float* gamma, const float* beta, float epsilon, float* y) {
  const int64_t size = inputs.size;
  albert::parallel_for((rows + kRowsOfChunk - 1) / kRowsOfChunk, [&](int64_t chunk) {
    for (int64_t row = chunk * kRowsOfChunk; row < rows && row < (chunk + 1) * kRowsOfChunk; ++row) {
      const float* values = inputs.row(row);
      const Moments m = moments(values, size, epsilon);
      albert::sweep(size, [&](auto place) {
        const Lanes n = (albert::load(values, place) - m.mean) * m.inverse_deviation;
        albert::store(y + row * size, place, n * albert::load(gamma, place) + albert::load(beta, place));
      });
    }
  });
}

// Where a backward pass writes; what is not there is not wanted.
struct Gradients {
  float *x, *gamma, *beta;
  float *residual = nullptr, *bias = nullptr;
};

// With g = gamma dy and the normalised n, the gradient of what is normalised is (g - mean(g) - n mean(g n)) / deviation,
// where the means go over the row; dgamma and dbeta are the sums of dy n and dy over the rows, and dbias that of dx.
void normalize_grad(const Inputs& inputs, int64_t rows, const float* gamma, float epsilon, const float* dy,
                    const Gradients& to) {
  const int64_t size = inputs.size;
  albert::RowChunks chunks(rows, size, 3);
  chunks.run([&](int64_t row, float* sums) {
    const float *values = inputs.row(row), *gradient = dy + row * size;
    const Moments m = moments(values, size, epsilon);
    Lanes plain{}, sloped{};
    albert::sweep(size, [&](auto place) {
      const Lanes d = albert::load(gradient, place), g = d * albert::load(gamma, place);
      const Lanes n = (albert::load(values, place) - m.mean) * m.inverse_deviation;
      plain += g;
      sloped += g * n;
      albert::store(sums, place, albert::load(sums, place) + d * n);
      albert::store(sums + size, place, albert::load(sums + size, place) + d);
    });
    const float shift = albert::sum(plain) / size, slope = albert::sum(sloped) / size;
    albert::sweep(size, [&](auto place) {
      const Lanes g = albert::load(gradient, place) * albert::load(gamma, place);
      const Lanes n = (albert::load(values, place) - m.mean) * m.inverse_deviation;
      const Lanes total = (g - shift - n * slope) * m.inverse_deviation, d = total * inputs.factors(row, place);
      albert::store(to.x + row * size, place, d);
      if (to.residual != nullptr) albert::store(to.residual + row * size, place, total);
      if (to.bias != nullptr) albert::store(sums + 2 * size, place, albert::load(sums + 2 * size, place) + d);
    });
  });
  chunks.total(0, to.gamma);
  chunks.total(1, to.beta);
  if (to.bias != nullptr) chunks.total(2, to.bias);
}

}  // namespace

// x [..., D], gamma [D], beta [D], epsilon [1] -> y [..., D]
ALBERT_KERNEL(albert_normalize, 5) {
  normalize({call[0], call.axis(0, -1)}, call.rows(0), call[1], call[2], *call[3], call[4]);
}

// x [..., D], gamma [D], epsilon [1], dy [..., D] -> dx [..., D], dgamma [D], dbeta [D]
ALBERT_KERNEL(albert_normalize_grad, 7) {
  normalize_grad({call[0], call.axis(0, -1)}, call.rows(0), call[1], *call[2], call[3], {call[4], call[5], call[6]});
}

// x [M, D], bias [D], residual [M, D], gamma [D], beta [D], epsilon [1] -> y [M, D]
ALBERT_KERNEL(albert_residual_normalize, 7) {
  const Inputs inputs{call[0], call.axis(0, -1), call[1], call[2]};
  normalize(inputs, call.rows(0), call[3], call[4], *call[5], call[6]);
}

// x [M, D], bias [D], residual [M, D], gamma [D], epsilon [1], dy [M, D]
// -> dx = dresidual [M, D], dbias [D], dgamma [D], dbeta [D]
ALBERT_KERNEL(albert_residual_normalize_grad, 10) {
  const Inputs inputs{call[0], call.axis(0, -1), call[1], call[2]};
  normalize_grad(inputs, call.rows(0), call[3], *call[4], call[5], {call[6], call[8], call[9], nullptr, call[7]});
}

// x [M, D], bias [D], residual [M, D], gamma [D], beta [D], epsilon and probability [2], key [2] -> y [M, D]
ALBERT_KERNEL(albert_dropout_normalize, 8) {
  const albert::Dropout dropout(call[6], call[5][1]);
  const Inputs inputs{call[0], call.axis(0, -1), call[1], call[2], &dropout};
  normalize(inputs, call.rows(0), call[3], call[4], *call[5], call[7]);
}

// x [M, D], bias [D], residual [M, D], gamma [D], epsilon and probability [2], key [2], dy [M, D]
// -> dx [M, D], dbias [D], dresidual [M, D], dgamma [D], dbeta [D]
ALBERT_KERNEL(albert_dropout_normalize_grad, 12) {
  const albert::Dropout dropout(call[5], call[4][1]);
  const Inputs inputs{call[0], call.axis(0, -1), call[1], call[2], &dropout};
  normalize_grad(inputs, call.rows(0), call[3], *call[4], call[6], {call[7], call[10], call[11], call[9], call[8]});
}
