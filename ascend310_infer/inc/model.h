// A MindIR model on MindSpore Lite.
#ifndef ALBERT_ASCEND310_INFER_MODEL_H_
#define ALBERT_ASCEND310_INFER_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "include/api/model.h"
#include "options.h"
#include "tensor.h"

namespace albert {

struct Output {
  TensorInfo info;
  // Keeps the data alive; it has info.bytes bytes on the host.
  std::shared_ptr<const void> data;
};

class InferenceModel {
 public:
  // Builds the model on the device of the options.
  // Throws a user error when the file is missing or empty, a runtime error when Lite does not take it.
  explicit InferenceModel(const Options& options);

  const std::vector<TensorInfo>& inputs() const { return inputs_; }

  // Gives the model its next inputs, each as long as inputs() says.
  void SetInputs(const std::vector<std::vector<int32_t>>& values);

  // Runs the model on the inputs that were set last; throws a runtime error when Lite cannot.
  void Predict();

  // Returns the outputs of the last run; throws a runtime error when they do not fit their own description.
  std::vector<Output> Outputs() const;

 private:
  std::string path_;
  mindspore::Model model_;
  std::vector<TensorInfo> inputs_;
  std::vector<mindspore::MSTensor> input_tensors_;
  std::vector<mindspore::MSTensor> output_tensors_;
};

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_MODEL_H_
