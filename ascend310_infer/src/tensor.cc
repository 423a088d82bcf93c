#include "tensor.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <utility>

#include "error.h"

namespace albert {
namespace {

using mindspore::DataType;

struct Kind {
  const char* name;
  size_t bytes;
};

const std::map<DataType, Kind>& Kinds() {
  static const std::map<DataType, Kind> kinds = {
      {DataType::kNumberTypeBool, {"bool", 1}},       {DataType::kNumberTypeInt8, {"int8", 1}},
      {DataType::kNumberTypeInt16, {"int16", 2}},     {DataType::kNumberTypeInt32, {"int32", 4}},
      {DataType::kNumberTypeInt64, {"int64", 8}},     {DataType::kNumberTypeUInt8, {"uint8", 1}},
      {DataType::kNumberTypeUInt16, {"uint16", 2}},   {DataType::kNumberTypeUInt32, {"uint32", 4}},
      {DataType::kNumberTypeUInt64, {"uint64", 8}},   {DataType::kNumberTypeFloat16, {"float16", 2}},
      {DataType::kNumberTypeFloat32, {"float32", 4}}, {DataType::kNumberTypeFloat64, {"float64", 8}},
  };
  return kinds;
}

// Returns 0 where a dimension is not fixed, or the size does not fit any memory.
size_t BytesOf(DataType dtype, const std::vector<int64_t>& shape) {
  const auto kind = Kinds().find(dtype);
  size_t bytes = kind == Kinds().end() ? 0 : kind->second.bytes;
  for (const int64_t size : shape) {
    if (size <= 0 || bytes > std::numeric_limits<uint32_t>::max() / static_cast<size_t>(size)) {
      return 0;
    }
    bytes *= static_cast<size_t>(size);
  }
  return bytes;
}

}  // namespace

bool operator==(const TensorInfo& one, const TensorInfo& other) {
  return one.name == other.name && one.dtype == other.dtype && one.shape == other.shape;
}

TensorInfo MakeTensorInfo(const std::string& name, DataType dtype, const std::vector<int64_t>& shape) {
  return {name, dtype, shape, BytesOf(dtype, shape)};
}

std::string DtypeName(DataType dtype) {
  const auto kind = Kinds().find(dtype);
  return kind == Kinds().end() ? "type " + std::to_string(static_cast<int>(dtype)) : kind->second.name;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

std::string InputText(size_t number, const TensorInfo& info) {
  return "input " + std::to_string(number) + " '" + info.name + "' " + DtypeName(info.dtype) + " " +
         ShapeText(info.shape);
}

std::vector<int32_t> ReadInput(const std::string& path, size_t number, const TensorInfo& info) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw UserError("the file cannot be read: " + SystemText(errno), path, "check its permissions");
  }
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size != info.bytes) {
    const std::string found = error ? error.message() : std::to_string(size) + " bytes";
    throw UserError("the file has " + found + ", " + InputText(number, info) + " takes " + std::to_string(info.bytes),
                    path, "preprocess with the model's batch size and length, int32");
  }
  std::vector<int32_t> values(info.bytes / sizeof(int32_t));
  // The only place where bytes are taken for numbers: the machine is little-endian like the files.
  stream.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(info.bytes));
  if (stream.gcount() != static_cast<std::streamsize>(info.bytes)) {
    throw UserError("the file ends too early", path, "check the disk, and run preprocess.py again");
  }
  return values;
}

void CheckValues(const std::vector<int32_t>& values, int64_t limit, const std::string& path) {
  const auto wrong =
      std::find_if(values.begin(), values.end(), [limit](int32_t value) { return value < 0 || value >= limit; });
  if (wrong != values.end()) {
    throw UserError("the value " + std::to_string(*wrong) + " at place " + std::to_string(wrong - values.begin()) +
                        " is not from 0 to " + std::to_string(limit - 1),
                    path, "preprocess with the vocabulary of the model");
  }
}

}  // namespace albert
