// What a MindIR file says of itself, read without MindSpore Lite.
#ifndef ALBERT_ASCEND310_INFER_MINDIR_H_
#define ALBERT_ASCEND310_INFER_MINDIR_H_

#include <cstdint>
#include <string>

namespace albert {

// The newest version of the format that MindSpore Lite 2.0.0 reads, the one that the CPU road was verified with.
constexpr int64_t kOldMindirVersion = 1;

struct MindirInfo {
  // Whether MindSpore has encrypted the file, which hides everything else.
  bool encrypted = false;
  // Version of the format; 0 where the file does not say it, or is no MindIR.
  int64_t version = 0;
  // Version of the MindSpore that wrote it; may be empty.
  std::string mindspore;
};

// Looks at the outermost fields of a file; damaged ones leave the fields empty.
MindirInfo ReadMindirInfo(const std::string& path);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_MINDIR_H_
