#include "results.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "error.h"
#include "json.h"

namespace albert {
namespace {

namespace fs = std::filesystem;

const char* const kDescription = "results.json";

AppError CannotWrite(const std::string& path, const std::string& reason) {
  return UserError("cannot write: " + reason, path, "free some space, or choose a place that you may write to");
}

std::string ResultName(const std::string& batch, size_t number) {
  return batch + "_" + std::to_string(number) + ".bin";
}

fs::path UnfinishedFolder(const std::string& folder, pid_t process) {
  return fs::path(folder) / (".unfinished-" + std::to_string(process));
}

void WriteBytes(const fs::path& path, const void* data, size_t bytes) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  stream.close();
  if (!stream) {
    throw CannotWrite(path.string(), SystemText(errno));
  }
}

void Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw CannotWrite(to.string(), error.message());
  }
}

}  // namespace

std::vector<fs::path> MissingFolders(const std::vector<std::string>& folders) {
  std::vector<fs::path> missing;
  for (const std::string& folder : folders) {
    std::error_code ignored;
    for (fs::path path = fs::absolute(folder, ignored); path.has_relative_path(); path = path.parent_path()) {
      if (fs::exists(fs::symlink_status(path, ignored))) {
        break;
      }
      missing.push_back(path);
    }
  }
  return missing;
}

void RemoveEmpty(const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    // A folder that holds anything is not removed.
    if (fs::is_directory(folder, ignored)) {
      fs::remove(folder, ignored);
    }
  }
}

void MakeOutputFolder(const std::string& path, const std::string& option) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!fs::is_directory(path)) {
    const std::string reason = error ? error.message() : "a file stands there";
    throw UserError("the folder cannot be made: " + reason, path, "choose another " + option);
  }
  if (access(path.c_str(), W_OK | X_OK) != 0) {
    throw UserError("the folder cannot be written to: " + SystemText(errno), path, "choose another " + option);
  }
}

void WriteFile(const std::string& path, const std::string& content) {
  const fs::path target(path);
  const fs::path temporary = target.parent_path() / ("." + target.filename().string() + "." + std::to_string(getpid()));
  try {
    WriteBytes(temporary, content.data(), content.size());
    Rename(temporary, target);
  } catch (const AppError&) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

void RemoveUnfinished(const std::string& folder, pid_t process) {
  std::error_code ignored;
  fs::remove_all(UnfinishedFolder(folder, process), ignored);
}

ResultWriter::ResultWriter(const std::string& folder) : folder_(folder), hidden_(UnfinishedFolder(folder, getpid())) {
  // An old process of the same number may have left one.
  RemoveUnfinished(folder, getpid());
  std::error_code error;
  if (!fs::create_directory(hidden_, error)) {
    throw CannotWrite(folder, error.message());
  }
}

ResultWriter::~ResultWriter() { RemoveUnfinished(folder_, getpid()); }

void ResultWriter::Add(const std::string& batch, const std::vector<Output>& outputs) {
  std::vector<TensorInfo> infos;
  for (size_t number = 0; number < outputs.size(); ++number) {
    const Output& output = outputs[number];
    infos.push_back(output.info);
    WriteBytes(hidden_ / ResultName(batch, number), output.data.get(), output.info.bytes);
  }
  if (!batches_.empty() && infos != outputs_) {
    throw RuntimeError("the outputs have other shapes or types than those of the batches before", batch,
                       "export the model with a fixed batch size and length");
  }
  outputs_ = infos;
  batches_.push_back(batch);
}

void ResultWriter::Publish(const std::string& model, const std::string& device) {
  const fs::path folder(folder_);
  std::error_code error;
  fs::remove(folder / kDescription, error);
  if (error) {
    throw CannotWrite((folder / kDescription).string(), error.message());
  }
  for (const std::string& batch : batches_) {
    for (size_t number = 0; number < outputs_.size(); ++number) {
      const std::string name = ResultName(batch, number);
      Rename(hidden_ / name, folder / name);
    }
  }
  WriteFile((folder / kDescription).string(), Description(model, device));
}

std::string ResultWriter::Description(const std::string& model, const std::string& device) const {
  std::ostringstream text;
  text << "{\n  \"model\": " << JsonString(model) << ",\n  \"device\": " << JsonString(device) << ",\n  \"outputs\": [";
  for (size_t number = 0; number < outputs_.size(); ++number) {
    const TensorInfo& info = outputs_[number];
    text << (number == 0 ? "\n" : ",\n") << "    {\"index\": " << number << ", \"name\": " << JsonString(info.name)
         << ", \"dtype\": " << JsonString(DtypeName(info.dtype)) << ", \"shape\": " << ShapeText(info.shape) << "}";
  }
  text << "\n  ],\n  \"files\": [";
  for (size_t place = 0; place < batches_.size(); ++place) {
    text << (place == 0 ? "\n" : ",\n") << "    " << JsonString(batches_[place]);
  }
  text << "\n  ]\n}\n";
  return text.str();
}

}  // namespace albert
