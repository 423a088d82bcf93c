#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace albert {
namespace {

constexpr int64_t kRowsOfChunk = 32;

struct Job {
  const std::function<void(int64_t)>& work;
  int64_t chunks;
  std::atomic<int64_t> next{0};

  void help() {
    for (int64_t chunk = next++; chunk < chunks; chunk = next++) work(chunk);
  }
};

int usable_processors() {
#ifdef __linux__
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return CPU_COUNT(&mask);
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// As many as OpenMP would take, whose variable says how much of a processor a container may use.
int wanted_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int wanted = text == nullptr ? 0 : std::atoi(text);
  return wanted > 0 ? std::min(wanted, usable_processors()) : usable_processors();
}

// Threads that sleep until there is a job. The calling thread works too, and waits only for threads that have begun:
// in a process that was forked while no job ran, and has none of the threads, it does all by itself.
class Pool {
 public:
  Pool() {
    for (int i = 1; i < wanted_threads(); ++i) std::thread([this] { serve(); }).detach();
  }

  void run(int64_t chunks, const std::function<void(int64_t)>& work) {
    std::lock_guard<std::mutex> one_job(callers_);
    Job job{work, chunks};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      ++number_;
    }
    wake_.notify_all();
    job.help();
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;
    idle_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void serve() {
    uint64_t done = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return number_ != done && job_ != nullptr; });
      done = number_;
      Job* job = job_;
      ++busy_;
      lock.unlock();
      job->help();
      lock.lock();
      if (--busy_ == 0) idle_.notify_one();
    }
  }

  std::mutex callers_, mutex_;
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  uint64_t number_ = 0;
  int busy_ = 0;
};

}  // namespace

void parallel_for(int64_t chunks, const std::function<void(int64_t)>& work) {
  // Never destroyed: threads may still wait in it when the process ends.
  static Pool* pool = new Pool;
  if (chunks > 1) {
    pool->run(chunks, work);
  } else if (chunks == 1) {
    work(0);
  }
}

RowChunks::RowChunks(int64_t rows, int64_t columns, int64_t sums)
    : rows_(rows),
      columns_(columns),
      sums_(sums),
      chunks_((rows + kRowsOfChunk - 1) / kRowsOfChunk),
      partial_(chunks_ * columns * sums) {}

void RowChunks::run(const std::function<void(int64_t, float*)>& work) {
  parallel_for(chunks_, [&](int64_t chunk) {
    const int64_t end = std::min(rows_, (chunk + 1) * kRowsOfChunk);
    for (int64_t row = chunk * kRowsOfChunk; row < end; ++row) work(row, &partial_[chunk * sums_ * columns_]);
  });
}

void RowChunks::total(int64_t number, float* result) const {
  std::fill(result, result + columns_, 0.0f);
  for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
    const float* part = &partial_[(chunk * sums_ + number) * columns_];
    for (int64_t i = 0; i < columns_; ++i) result[i] += part[i];
  }
}

}  // namespace albert
