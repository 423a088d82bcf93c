// How long the batches took.
#ifndef ALBERT_ASCEND310_INFER_TIMING_H_
#define ALBERT_ASCEND310_INFER_TIMING_H_

#include <cstdint>
#include <string>
#include <vector>

namespace albert {

struct Timing {
  // Of every counted batch, without reading and writing files.
  std::vector<double> latencies_ms;
  // Of the whole loop, with reading and writing files, without warm-up.
  double elapsed_s = 0;
  // Rows of a batch, fillers of the last batch included.
  int64_t rows = 0;
};

// Returns the smallest of the values that at least "percent" of them do not exceed (nearest rank).
double Percentile(std::vector<double> values, double percent);

// Returns the content of test_perform_static.txt.
std::string TimingText(const Timing& timing);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_TIMING_H_
