// The command line.
#ifndef ALBERT_ASCEND310_INFER_OPTIONS_H_
#define ALBERT_ASCEND310_INFER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace albert {

enum class Device { kAscend, kCpu };

struct Options {
  bool help = false;
  std::string mindir_path;
  // The folder of the model's input N stands at place N.
  std::vector<std::string> input_paths;
  Device device = Device::kAscend;
  uint32_t device_id = 0;
  // Empty leaves the choice to MindSpore Lite.
  std::string precision_mode;
  // On the CPU; 0 leaves the choice to MindSpore Lite.
  int threads = 0;
  std::string output_dir = "./result_files";
  std::string time_dir = "./time_result";
  int warmup = 1;
  // Values from 0 to limit - 1 are allowed in the input at the same place; 0 stands for no limit.
  std::vector<int64_t> input_limits;
  // Only find out whether the model can be built; nothing else is read or written.
  bool check_model = false;
};

// Returns the options of a command line without the program's name; takes "--name=value" and "--name value".
// Throws a user error for an unknown, doubled, incomplete or contradicting option.
Options ParseOptions(const std::vector<std::string>& arguments);

std::string UsageText();

std::string DeviceName(Device device);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_OPTIONS_H_
