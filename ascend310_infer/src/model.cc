#include "model.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "error.h"
#include "mindir.h"

namespace albert {
namespace {

using mindspore::MSTensor;

std::string StatusText(const mindspore::Status& status) {
  const std::string text = status.ToString();
  return text.empty() ? "status " + std::to_string(static_cast<uint32_t>(status.StatusCode())) : text;
}

void CheckModelFile(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw UserError("there is no such model file", path, "export the model, or mend --mindir_path");
  }
  if (!std::ifstream(path, std::ios::binary)) {
    throw UserError("the model file cannot be read", path, "check its permissions");
  }
  if (std::filesystem::file_size(path, error) == 0 || error) {
    throw UserError("the model file is empty", path, "export the model again");
  }
  if (ReadMindirInfo(path).encrypted) {
    throw UserError("the model is encrypted", path, "export it without a key: MindSpore Lite gets none here");
  }
}

// Returns why MindSpore Lite may have refused a model that is no damaged one: it is newer than Lite.
AppError CannotBuild(const std::string& path, Device device, const mindspore::Status& status) {
  const MindirInfo info = ReadMindirInfo(path);
  const std::string what = "MindSpore Lite cannot build the model for " + DeviceName(device) + ": ";
  const std::string wrote = "this model was written by MindSpore " + (info.mindspore.empty() ? "?" : info.mindspore) +
                            " (MindIR version " + std::to_string(info.version) + ")";
  const bool newer = info.version > kOldMindirVersion;
  if (device == Device::kCpu && newer) {
    return RuntimeError(what + wrote + "; MindSpore Lite 2.0.0 on the CPU reads version " +
                            std::to_string(kOldMindirVersion),
                        path,
                        "try the road with the models of tests/fixtures/mindir_v1, or run this one on an Ascend: "
                        "docs/ascend310.md");
  }
  if (newer) {
    return RuntimeError(what + StatusText(status) + "; " + wrote, path,
                        "set GLOG_v=2 to see why; use a MindSpore Lite of that version or newer");
  }
  const std::string other = device == Device::kAscend ? "; --device CPU runs without an Ascend" : "";
  return RuntimeError(what + StatusText(status), path, "set GLOG_v=2 to see why; the file must be whole" + other);
}

std::shared_ptr<mindspore::Context> MakeContext(const Options& options) {
  auto context = std::make_shared<mindspore::Context>();
  auto& devices = context->MutableDeviceInfo();
  if (options.device == Device::kCpu) {
    devices.push_back(std::make_shared<mindspore::CPUDeviceInfo>());
    if (options.threads > 0) {
      context->SetThreadNum(options.threads);
    }
    return context;
  }
  auto ascend = std::make_shared<mindspore::AscendDeviceInfo>();
  ascend->SetDeviceID(options.device_id);
  if (!options.precision_mode.empty()) {
    ascend->SetPrecisionMode(options.precision_mode);
  }
  devices.push_back(ascend);
  return context;
}

TensorInfo InfoOf(const MSTensor& tensor) { return MakeTensorInfo(tensor.Name(), tensor.DataType(), tensor.Shape()); }

}  // namespace

InferenceModel::InferenceModel(const Options& options) : path_(options.mindir_path) {
  CheckModelFile(path_);
  const mindspore::Status status = model_.Build(path_, mindspore::ModelType::kMindIR, MakeContext(options));
  if (status.IsError()) {
    throw CannotBuild(path_, options.device, status);
  }
  input_tensors_ = model_.GetInputs();
  for (size_t number = 0; number < input_tensors_.size(); ++number) {
    const MSTensor& tensor = input_tensors_[number];
    const TensorInfo info = InfoOf(tensor);
    if (info.dtype != mindspore::DataType::kNumberTypeInt32) {
      throw UserError(InputText(number, info) + " is not int32 as the files are", path_,
                      "export a model that takes int32");
    }
    if (info.bytes == 0 || info.bytes != tensor.DataSize()) {
      throw UserError(InputText(number, info) + " has no fixed size", path_,
                      "export the model with a fixed batch size and length");
    }
    inputs_.push_back(info);
  }
  if (inputs_.empty()) {
    throw UserError("the model takes no inputs", path_, "export it again");
  }
}

void InferenceModel::SetInputs(const std::vector<std::vector<int32_t>>& values) {
  for (size_t number = 0; number < values.size(); ++number) {
    void* place = input_tensors_[number].MutableData();
    if (place == nullptr) {
      throw RuntimeError("MindSpore Lite gives no memory for " + InputText(number, inputs_[number]), path_,
                         "free some memory");
    }
    std::memcpy(place, values[number].data(), inputs_[number].bytes);
  }
}

void InferenceModel::Predict() {
  output_tensors_.clear();
  const mindspore::Status status = model_.Predict(input_tensors_, &output_tensors_);
  if (status.IsError()) {
    throw RuntimeError("MindSpore Lite cannot run the model: " + StatusText(status), path_,
                       "set GLOG_v=2 to see why; token ids must be below the size of the vocabulary");
  }
}

std::vector<Output> InferenceModel::Outputs() const {
  std::vector<Output> outputs;
  for (const MSTensor& tensor : output_tensors_) {
    Output output{InfoOf(tensor), tensor.Data()};
    if (output.data == nullptr || output.info.bytes == 0 || output.info.bytes != tensor.DataSize()) {
      throw RuntimeError("output " + std::to_string(outputs.size()) + " '" + output.info.name + "' " +
                             DtypeName(output.info.dtype) + " " + ShapeText(output.info.shape) + " has " +
                             std::to_string(tensor.DataSize()) + " bytes",
                         path_, "export the model again");
    }
    outputs.push_back(output);
  }
  if (outputs.empty()) {
    throw RuntimeError("the model gave no outputs", path_, "export it again");
  }
  return outputs;
}

}  // namespace albert
