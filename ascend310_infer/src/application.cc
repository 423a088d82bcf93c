#include "application.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "batches.h"
#include "error.h"
#include "model.h"
#include "results.h"
#include "supervise.h"
#include "timing.h"

namespace albert {
namespace {

using Clock = std::chrono::steady_clock;

// The preprocessing writes the labels beside the inputs, and the documented command names their folder as input 3.
constexpr size_t kLabelsInput = 3;
using Folders = std::vector<std::string>;
using Batches = std::set<std::string>;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void CheckOutputIsNoInput(const Options& options) {
  for (const std::string& folder : options.input_paths) {
    std::error_code ignored;
    if (std::filesystem::equivalent(folder, options.output_dir, ignored)) {
      throw UserError("the results would be written among the inputs", options.output_dir,
                      "choose another --output_dir");
    }
  }
}

// Returns the folders that belong to the model's inputs.
Folders FoldersFor(const InferenceModel& model, const Options& options) {
  Folders folders = options.input_paths;
  const size_t wanted = model.inputs().size();
  if (wanted == kLabelsInput && folders.size() == kLabelsInput + 1) {
    std::cout << "note: the model has " << wanted << " inputs; --input3_path is not used\n";
    folders.pop_back();
  }
  if (folders.size() != wanted || options.input_limits.size() > wanted) {
    std::string inputs;
    for (size_t number = 0; number < wanted; ++number) {
      inputs += (number == 0 ? "" : ", ") + InputText(number, model.inputs()[number]);
    }
    const bool limits = folders.size() == wanted;
    throw UserError("the model has " + std::to_string(wanted) + " inputs, " +
                        std::to_string(limits ? options.input_limits.size() : folders.size()) +
                        (limits ? " limits" : " folders") + " are given",
                    options.mindir_path, "the inputs are " + inputs);
  }
  return folders;
}

// Returns the batches of the first folder; those of the other inputs must hold the same.
Batches PairedBatches(const Folders& folders) {
  Batches batches = BatchesOf(folders.front());
  for (size_t number = 1; number < std::min(folders.size(), kLabelsInput); ++number) {
    CheckHoldsBatches(folders[number], batches, folders.front());
  }
  return batches;
}

class BatchLoop {
 public:
  BatchLoop(const Options& options, InferenceModel* model, Batches batches)
      : options_(options), model_(model), folders_(FoldersFor(*model, options)), batches_(std::move(batches)) {
    for (const std::string& batch : batches_) {
      CheckRows(batch, model->inputs().front().shape.front(), folders_.front());
    }
    // Only now it is known whether the folder that mostly holds labels is one of inputs.
    for (size_t number = kLabelsInput; number < folders_.size(); ++number) {
      CheckHoldsBatches(folders_[number], batches_, folders_.front());
    }
  }

  size_t size() const { return batches_.size(); }

  // Finds what is wrong with the last files before hours were spent on the first ones.
  void CheckFiles() const {
    for (const std::string& batch : batches_) {
      CheckInterrupted();
      Read(batch);
    }
  }

  void WarmUp() {
    model_->SetInputs(Read(*batches_.begin()));
    for (int run = 0; run < options_.warmup; ++run) {
      CheckInterrupted();
      model_->Predict();
    }
  }

  Timing Run(ResultWriter* results) {
    Timing timing;
    timing.rows = model_->inputs().front().shape.front();
    const Clock::time_point begin = Clock::now();
    for (const std::string& batch : batches_) {
      CheckInterrupted();
      model_->SetInputs(Read(batch));
      const Clock::time_point start = Clock::now();
      model_->Predict();
      const std::vector<Output> outputs = model_->Outputs();
      timing.latencies_ms.push_back(SecondsSince(start) * 1000.0);
      results->Add(batch, outputs);
    }
    timing.elapsed_s = SecondsSince(begin);
    return timing;
  }

 private:
  std::vector<std::vector<int32_t>> Read(const std::string& batch) const {
    std::vector<std::vector<int32_t>> values;
    for (size_t number = 0; number < folders_.size(); ++number) {
      const std::string path = BatchFile(folders_[number], batch);
      values.push_back(ReadInput(path, number, model_->inputs()[number]));
      if (number < options_.input_limits.size() && options_.input_limits[number] > 0) {
        CheckValues(values.back(), options_.input_limits[number], path);
      }
    }
    return values;
  }

  const Options& options_;
  InferenceModel* model_;
  Folders folders_;
  Batches batches_;
};

}  // namespace

void RunInference(const Options& options) {
  if (options.check_model) {
    const size_t inputs = InferenceModel(options).inputs().size();
    std::cout << "the model can be built for " << DeviceName(options.device) << " and takes " << inputs
              << " inputs: " << options.mindir_path << "\n";
    return;
  }
  CheckOutputIsNoInput(options);
  // Before the model, which takes minutes to build on some devices.
  Batches batches = PairedBatches(options.input_paths);
  MakeOutputFolder(options.output_dir, "--output_dir");
  MakeOutputFolder(options.time_dir, "--time_dir");
  InferenceModel model(options);
  BatchLoop loop(options, &model, std::move(batches));
  loop.CheckFiles();
  loop.WarmUp();
  ResultWriter results(options.output_dir);
  const Timing timing = loop.Run(&results);
  const std::string text = TimingText(timing);
  results.Publish(options.mindir_path, DeviceName(options.device));
  WriteFile((std::filesystem::path(options.time_dir) / "test_perform_static.txt").string(), text);
  std::cout << text << loop.size() << " batches: " << options.output_dir << "\n";
}

}  // namespace albert
