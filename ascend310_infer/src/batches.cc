#include "batches.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>
#include <system_error>
#include <vector>

#include "error.h"
#include "json.h"

namespace albert {
namespace {

namespace fs = std::filesystem;

const char* const kEnding = ".bin";
constexpr size_t kNamesShown = 3;

// Refuses what cannot be opened or would block: folders, pipes, dangling links. Links to files are followed.
void CheckIsFile(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) {
    throw UserError("a folder has the name of a batch", path.string(), "move it away");
  }
  if (!fs::is_regular_file(status)) {
    throw UserError("not a file that can be read", path.string(), "mend or remove it");
  }
}

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t place = 0; place < std::min(names.size(), kNamesShown); ++place) {
    text += (place == 0 ? "" : ", ") + names[place] + kEnding;
  }
  return names.size() > kNamesShown ? text + ", ..." : text;
}

void CheckHoldsAll(const std::set<std::string>& wanted, const std::string& there, const std::set<std::string>& found,
                   const std::string& folder) {
  std::vector<std::string> missing;
  std::set_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(missing));
  if (!missing.empty()) {
    throw UserError(std::to_string(missing.size()) + " files of " + there + " are missing: " + Listed(missing), folder,
                    "run preprocess.py again, or remove the others");
  }
}

}  // namespace

std::set<std::string> BatchesOf(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) {
    throw UserError("the folder cannot be read: " + error.message(), folder, "run preprocess.py, or mend the path");
  }
  std::set<std::string> batches;
  size_t others = 0;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path path = entries->path();
    // An upper-case ending would silently be another batch's name on other systems: only ".bin" counts.
    if (path.extension() != kEnding) {
      ++others;
      continue;
    }
    CheckIsFile(path);
    if (!IsUtf8(path.filename().string())) {
      throw UserError("the name of a file is not UTF-8", path.string(), "rename the file");
    }
    batches.insert(path.stem().string());
  }
  if (error) {
    throw UserError("the folder cannot be read: " + error.message(), folder, "check the disk");
  }
  if (batches.empty()) {
    throw UserError("the folder holds no .bin file", folder, "run preprocess.py, or mend the path");
  }
  if (others > 0) {
    std::cout << "note: " << others << " entries of " << folder << " do not end in .bin and are left out\n";
  }
  return batches;
}

void CheckHoldsBatches(const std::string& folder, const std::set<std::string>& batches, const std::string& first) {
  const std::set<std::string> found = BatchesOf(folder);
  CheckHoldsAll(batches, first, found, folder);
  CheckHoldsAll(found, folder, batches, first);
}

void CheckRows(const std::string& batch, int64_t rows, const std::string& folder) {
  const std::string mark = "_batch_";
  const size_t start = batch.rfind(mark);
  if (start == std::string::npos) {
    return;
  }
  const std::string rest = batch.substr(start + mark.size());
  const size_t digits = rest.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string::npos || rest[digits] != '_') {
    return;
  }
  const std::string found = rest.substr(0, digits);
  if (found != std::to_string(rows)) {
    throw UserError("the file is for batches of " + found + " rows, the model takes " + std::to_string(rows),
                    BatchFile(folder, batch), "preprocess with --eval_batch_size " + std::to_string(rows));
  }
}

std::string BatchFile(const std::string& folder, const std::string& batch) {
  return (fs::path(folder) / (batch + kEnding)).string();
}

}  // namespace albert
