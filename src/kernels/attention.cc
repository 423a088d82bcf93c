// Attention without its products: heads apart and together, softmax of masked scores, dropout.
#include <algorithm>
#include <cmath>
#include <vector>

#include "call.h"
#include "dropout.h"
#include "lanes.h"
#include "parallel.h"

using albert::Lanes;

namespace {

constexpr int64_t kRowsOfChunk = 64;
constexpr int64_t kNumbersOfChunk = 1 << 14;

// Sizes of a tensor [B, N, T, H] and of the matrix [B T, N H] with the same numbers.
struct Heads {
  int64_t batch, heads, length, size;

  Heads(const albert::Call& call, int i)
      : batch(call.axis(i, 0)), heads(call.axis(i, 1)), length(call.axis(i, 2)), size(call.axis(i, 3)) {}
  int64_t width() const { return heads * size; }
};

// Call `work(apart, together, column)` for every row of every head: where its numbers are in either form, and in which
// column of the matrix they begin.
template <typename Work>
void for_heads(const Heads& h, float* apart, float* together, Work work) {
  albert::parallel_for(h.batch * h.heads, [&](int64_t pair) {
    const int64_t row = pair / h.heads, column = pair % h.heads * h.size;
    for (int64_t place = 0; place < h.length; ++place) {
      work(apart + (pair * h.length + place) * h.size, together + (row * h.length + place) * h.width() + column, row,
           column);
    }
  });
}

void split(const albert::Call& call, float scale) {
  const Heads h(call, 3);
  const float* bias = call[1];
  for_heads(h, call[3], call[0], [&](float* apart, const float* together, int64_t, int64_t column) {
    albert::sweep(h.size, [&](auto place) {
      albert::store(apart, place, (albert::load(together, place) + albert::load(bias + column, place)) * scale);
    });
  });
}

void split_grad(const albert::Call& call, float scale) {
  const Heads h(call, 0);
  std::vector<float> partial(h.batch * h.width());
  for_heads(h, call[0], call[1], [&](const float* apart, float* together, int64_t row, int64_t column) {
    float* sums = &partial[row * h.width() + column];
    albert::sweep(h.size, [&](auto place) {
      const Lanes d = albert::load(apart, place) * scale;
      albert::store(together, place, d);
      albert::store(sums, place, albert::load(sums, place) + d);
    });
  });
  float* dbias = call[2];
  std::fill(dbias, dbias + h.width(), 0.0f);
  for (int64_t row = 0; row < h.batch; ++row) {
    for (int64_t i = 0; i < h.width(); ++i) dbias[i] += partial[row * h.width() + i];
  }
}

float query_scale(const albert::Call& call, int i) { return 1.0f / std::sqrt(static_cast<float>(call.axis(i, 3))); }

}  // namespace

// x [B T, N H], bias [N H], anything [B, ...] -> y [B, N, T, H]
ALBERT_KERNEL(albert_split_heads, 4) { split(call, 1.0f); }

// The same, divided by the square root of H.
ALBERT_KERNEL(albert_split_query, 4) { split(call, query_scale(call, 3)); }

// dy [B, N, T, H] -> dx [B T, N H], dbias [N H]
ALBERT_KERNEL(albert_split_heads_grad, 3) { split_grad(call, 1.0f); }

ALBERT_KERNEL(albert_split_query_grad, 3) { split_grad(call, query_scale(call, 0)); }

// x [B, N, T, H] -> y [B T, N H]
ALBERT_KERNEL(albert_merge_heads, 2) {
  const Heads h(call, 0);
  for_heads(h, call[0], call[1], [&](const float* apart, float* together, int64_t, int64_t) {
    std::copy(apart, apart + h.size, together);
  });
}

// dy [B T, N H], anything [B, ...] -> dx [B, N, T, H]
ALBERT_KERNEL(albert_merge_heads_grad, 3) {
  const Heads h(call, 2);
  for_heads(h, call[2], call[0], [&](float* apart, const float* together, int64_t, int64_t) {
    std::copy(together, together + h.size, apart);
  });
}

// scores [B, N, R, T], mask [B, 1, 1, T] -> softmax(scores + mask) over T
ALBERT_KERNEL(albert_masked_softmax, 3) {
  const int64_t rows = call.rows(0), size = call.axis(0, -1), rows_of_mask = call.axis(0, 1) * call.axis(0, 2);
  albert::parallel_for((rows + kRowsOfChunk - 1) / kRowsOfChunk, [&](int64_t chunk) {
    for (int64_t row = chunk * kRowsOfChunk; row < rows && row < (chunk + 1) * kRowsOfChunk; ++row) {
      const float *scores = call[0] + row * size, *mask = call[1] + row / rows_of_mask * size;
      float* y = call[2] + row * size;
      float most = scores[0] + mask[0];
      Lanes mosts = most + Lanes{};
      albert::sweep(size, [&](auto place) {
        const Lanes masked = albert::load(scores, place) + albert::load(mask, place);
        albert::store(y, place, masked);
        mosts = albert::greater(albert::inside(place, masked, most), mosts);
      });
      most = albert::greatest(mosts);
      Lanes total{};
      albert::sweep(size, [&](auto place) {
        const Lanes power = albert::exponential(albert::load(y, place) - most);
        albert::store(y, place, power);
        total += albert::inside(place, power, 0.0f);
      });
      const float inverse = 1.0f / albert::sum(total);
      albert::sweep(size, [&](auto place) { albert::store(y, place, albert::load(y, place) * inverse); });
    }
  });
}

// p [..., T], dp [..., T] -> p (dp - sum(p dp))
ALBERT_KERNEL(albert_softmax_grad, 3) {
  const int64_t rows = call.rows(0), size = call.axis(0, -1);
  albert::parallel_for((rows + kRowsOfChunk - 1) / kRowsOfChunk, [&](int64_t chunk) {
    for (int64_t row = chunk * kRowsOfChunk; row < rows && row < (chunk + 1) * kRowsOfChunk; ++row) {
      const float *p = call[0] + row * size, *dp = call[1] + row * size;
      Lanes products{};
      albert::sweep(size, [&](auto place) { products += albert::load(p, place) * albert::load(dp, place); });
      const float total = albert::sum(products);
      albert::sweep(size, [&](auto place) {
        albert::store(call[2] + row * size, place, albert::load(p, place) * (albert::load(dp, place) - total));
      });
    }
  });
}

// x [...], probability [1], key [2] -> x with some elements 0 and the others divided by 1 - probability. It is its own
// backward pass.
ALBERT_KERNEL(albert_dropout, 4) {
  const albert::Dropout dropout(call[2], *call[1]);
  const int64_t size = call.size(0), chunks = (size + kNumbersOfChunk - 1) / kNumbersOfChunk;
  albert::parallel_for(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kNumbersOfChunk;
    albert::sweep(std::min(kNumbersOfChunk, size - begin), [&](auto place) {
      const Lanes kept = albert::load(call[0] + begin, place) * dropout.factors(begin + place.at);
      albert::store(call[3] + begin, place, kept);
    });
  });
}
