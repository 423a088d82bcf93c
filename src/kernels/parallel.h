// Work shared by the threads of this library.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace albert {

// Call `work` once for each number below `chunks`, from several threads. What a chunk is must not depend on the number of
// threads, so that results do not.
void parallel_for(int64_t chunks, const std::function<void(int64_t)>& work);

// Rows of a matrix in chunks of one size, and sums over all rows that are the same whatever the number of threads: each
// chunk adds its rows up, and the sums of the chunks are added in their order.
class RowChunks {
 public:
  RowChunks(int64_t rows, int64_t columns, int64_t sums);
  // Call `work(row, sums)` for every row; `sums` are the chunk's own, `columns` numbers for each sum, 0 at first.
  void run(const std::function<void(int64_t, float*)>& work);
  // Write the sum of that number.
  void total(int64_t number, float* result) const;

 private:
  int64_t rows_, columns_, sums_, chunks_;
  std::vector<float> partial_;
};

}  // namespace albert
