#include "timing.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numeric>
#include <sstream>

namespace albert {
namespace {

void AddRates(std::ostringstream* text, const Timing& timing, double seconds) {
  const auto batches = static_cast<double>(timing.latencies_ms.size());
  *text << batches / seconds << " batches/s, " << batches * static_cast<double>(timing.rows) / seconds << " rows/s\n";
}

}  // namespace

double Percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100.0 * static_cast<double>(values.size()));
  return values.at(std::max<size_t>(static_cast<size_t>(rank), 1) - 1);
}

std::string TimingText(const Timing& timing) {
  const std::vector<double>& latencies = timing.latencies_ms;
  const double sum_ms = std::accumulate(latencies.begin(), latencies.end(), 0.0);
  const double mean_ms = sum_ms / static_cast<double>(latencies.size());
  std::ostringstream text;
  text << std::fixed << std::setprecision(3);
  text << "NN inference cost average time: " << mean_ms << " ms of infer_count " << latencies.size() << "\n";
  text << "latency in ms of a batch of " << timing.rows << " rows: mean " << mean_ms << ", p50 "
       << Percentile(latencies, 50) << ", p90 " << Percentile(latencies, 90) << ", p99 " << Percentile(latencies, 99)
       << ", max " << Percentile(latencies, 100) << "\n";
  text << "throughput of the model alone: ";
  AddRates(&text, timing, std::max(sum_ms / 1000.0, 1e-9));
  text << "throughput with reading and writing files: ";
  AddRates(&text, timing, std::max(timing.elapsed_s, 1e-9));
  return text.str();
}

}  // namespace albert
