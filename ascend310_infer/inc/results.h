// What the application writes: everything or nothing.
#ifndef ALBERT_ASCEND310_INFER_RESULTS_H_
#define ALBERT_ASCEND310_INFER_RESULTS_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "model.h"

namespace albert {

// Returns those of the folders, and of the folders above them, that are not there yet; the deepest come first.
std::vector<std::filesystem::path> MissingFolders(const std::vector<std::string>& folders);

// Removes folders that are empty.
void RemoveEmpty(const std::vector<std::filesystem::path>& folders);

// Makes a folder and those above it where they are missing; throws a user error when files cannot be written there.
void MakeOutputFolder(const std::string& path, const std::string& option);

// Writes a file under a temporary name beside it and renames it.
void WriteFile(const std::string& path, const std::string& content);

// Removes what a process that was killed has left in the output folder.
void RemoveUnfinished(const std::string& folder, pid_t process);

// Collects the results in a hidden folder inside the output folder; what is not published is removed again.
class ResultWriter {
 public:
  explicit ResultWriter(const std::string& folder);
  ~ResultWriter();
  ResultWriter(const ResultWriter&) = delete;
  ResultWriter(ResultWriter&&) = delete;
  ResultWriter& operator=(const ResultWriter&) = delete;
  ResultWriter& operator=(ResultWriter&&) = delete;

  // Writes <batch>_<output>.bin of every output; throws a runtime error when they differ in type or shape from those
  // of the batches before.
  void Add(const std::string& batch, const std::vector<Output>& outputs);

  // Moves the files to the output folder, results.json last. A results.json of an earlier run goes first, so that it
  // never describes files of two runs.
  void Publish(const std::string& model, const std::string& device);

 private:
  std::string Description(const std::string& model, const std::string& device) const;

  std::string folder_;
  std::filesystem::path hidden_;
  std::vector<std::string> batches_;
  std::vector<TensorInfo> outputs_;
};

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_RESULTS_H_
