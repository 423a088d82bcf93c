// What is known about a model's inputs and outputs, and the bytes that go in.
#ifndef ALBERT_ASCEND310_INFER_TENSOR_H_
#define ALBERT_ASCEND310_INFER_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "include/api/data_type.h"

namespace albert {

struct TensorInfo {
  std::string name;
  mindspore::DataType dtype = mindspore::DataType::kTypeUnknown;
  std::vector<int64_t> shape;
  // Size of an element times the product of the shape; 0 when the type is unknown or the shape is not fixed.
  size_t bytes = 0;
};

bool operator==(const TensorInfo& one, const TensorInfo& other);

TensorInfo MakeTensorInfo(const std::string& name, mindspore::DataType dtype, const std::vector<int64_t>& shape);

// Returns for example "float32", as numpy writes it; "type 17" for others.
std::string DtypeName(mindspore::DataType dtype);

// Returns for example "[4, 32]".
std::string ShapeText(const std::vector<int64_t>& shape);

// Returns for example "input 1 'input_mask' int32 [4, 32]".
std::string InputText(size_t number, const TensorInfo& info);

// Reads the file of a batch, which must be as long as the input.
// Throws a user error when it cannot be read or has another length.
std::vector<int32_t> ReadInput(const std::string& path, size_t number, const TensorInfo& info);

// Throws a user error when a value is below 0 or not below "limit".
void CheckValues(const std::vector<int32_t>& values, int64_t limit, const std::string& path);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_TENSOR_H_
