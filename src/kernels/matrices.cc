// Matrices turned, and sums of squares.
#include <algorithm>
#include <vector>

#include "call.h"
#include "lanes.h"
#include "parallel.h"

using albert::Lanes;

namespace {

constexpr int64_t kBlock = 64;
constexpr int64_t kNumbersOfChunk = 1 << 15;

}  // namespace

// x [R, C] -> y [C, R], in blocks: a block of x and its place in y fit into the cache together, and neighbours in a row
// share a page of memory.
ALBERT_KERNEL(albert_transpose, 2) {
  const int64_t rows = call.axis(0, 0), columns = call.axis(0, 1);
  const float* x = call[0];
  float* y = call[1];
  const int64_t across = (columns + kBlock - 1) / kBlock, down = (rows + kBlock - 1) / kBlock;
  albert::parallel_for(across * down, [&](int64_t chunk) {
    const int64_t left = chunk % across * kBlock, right = std::min(columns, left + kBlock);
    const int64_t top = chunk / across * kBlock, bottom = std::min(rows, top + kBlock);
    float block[kBlock][kBlock + 1];
    for (int64_t r = top; r < bottom; ++r) {
      for (int64_t c = left; c < right; ++c) block[r - top][c - left] = x[r * columns + c];
    }
    for (int64_t c = left; c < right; ++c) {
      for (int64_t r = top; r < bottom; ++r) y[c * rows + r] = block[r - top][c - left];
    }
  });
}

// x [...] -> the sum of its squares [1]. Sums of chunks are added in double, so that the error does not grow with the size.
ALBERT_KERNEL(albert_sum_of_squares, 2) {
  const int64_t size = call.size(0), chunks = (size + kNumbersOfChunk - 1) / kNumbersOfChunk;
  std::vector<double> sums(chunks);
  albert::parallel_for(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kNumbersOfChunk;
    Lanes total{};
    albert::sweep(std::min(kNumbersOfChunk, size - begin), [&](auto place) {
      const Lanes values = albert::load(call[0] + begin, place);
      total += values * values;
    });
    sums[chunk] = albert::sum(total);
  });
  double total = 0.0;
  for (double part : sums) total += part;
  *call[1] = static_cast<float>(total);
}
