#include "options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "error.h"

namespace albert {
namespace {

constexpr size_t kMaxInputs = 8;
constexpr std::array<const char*, 5> kPrecisionModes = {"enforce_fp32", "preferred_fp32", "enforce_fp16",
                                                        "enforce_origin", "preferred_optimal"};
const char* const kSeeHelp = "see --help";

std::string InputOption(size_t number) { return "--input" + std::to_string(number) + "_path"; }

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char sign) { return static_cast<char>(std::tolower(sign)); });
  return text;
}

int64_t ParseNumber(const std::string& name, const std::string& text, int64_t most) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > most) {
    throw UserError("'" + text + "' is not a number from 0 to " + std::to_string(most), name, kSeeHelp);
  }
  return number;
}

Device ParseDevice(const std::string& name, const std::string& text) {
  const std::string lower = Lower(text);
  if (lower == "cpu") {
    return Device::kCpu;
  }
  if (lower == "ascend" || lower == "ascend310" || lower == "ascend310p") {
    return Device::kAscend;
  }
  throw UserError("'" + text + "' is not a device", name, "give Ascend or CPU");
}

bool ParseFlag(const std::string& name, const std::string& text) {
  if (text != "true" && text != "false") {
    throw UserError("'" + text + "' is neither true nor false", name, kSeeHelp);
  }
  return text == "true";
}

std::string ParsePrecision(const std::string& name, const std::string& text) {
  if (std::find(kPrecisionModes.begin(), kPrecisionModes.end(), text) == kPrecisionModes.end()) {
    std::string known;
    for (const char* mode : kPrecisionModes) {
      known += (known.empty() ? "" : ", ") + std::string(mode);
    }
    throw UserError("'" + text + "' is not a precision mode", name, "give one of " + known);
  }
  return text;
}

std::vector<int64_t> ParseLimits(const std::string& name, const std::string& text) {
  std::vector<int64_t> limits;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t comma = std::min(text.find(',', start), text.size());
    limits.push_back(ParseNumber(name, text.substr(start, comma - start), std::numeric_limits<int32_t>::max()));
    start = comma + 1;
  }
  return limits;
}

using Setter = std::function<void(const std::string& name, const std::string& value)>;

std::map<std::string, Setter> Setters(Options* options) {
  std::map<std::string, Setter> setters;
  const auto text = [&setters](const std::string& name, std::string* place) {
    setters[name] = [place](const std::string&, const std::string& value) { *place = value; };
  };
  text("--mindir_path", &options->mindir_path);
  text("--output_dir", &options->output_dir);
  text("--time_dir", &options->time_dir);
  options->input_paths.resize(kMaxInputs);
  for (size_t number = 0; number < kMaxInputs; ++number) {
    text(InputOption(number), &options->input_paths[number]);
  }
  setters["--device"] = [options](const auto& name, const auto& value) { options->device = ParseDevice(name, value); };
  setters["--device_id"] = [options](const auto& name, const auto& value) {
    options->device_id = static_cast<uint32_t>(ParseNumber(name, value, 1023));
  };
  setters["--precision_mode"] = [options](const auto& name, const auto& value) {
    options->precision_mode = ParsePrecision(name, value);
  };
  setters["--warmup"] = [options](const auto& name, const auto& value) {
    options->warmup = static_cast<int>(ParseNumber(name, value, 1000));
  };
  setters["--threads"] = [options](const auto& name, const auto& value) {
    options->threads = static_cast<int>(ParseNumber(name, value, 1024));
  };
  setters["--input_limits"] = [options](const auto& name, const auto& value) {
    options->input_limits = ParseLimits(name, value);
  };
  setters["--check_model"] = [options](const auto& name, const auto& value) {
    options->check_model = ParseFlag(name, value);
  };
  return setters;
}

// Splits "--name=value"; without the sign of equality the value is the next argument, which moves "place" on.
std::pair<std::string, std::string> TakeOption(const std::vector<std::string>& arguments, size_t* place,
                                               const std::map<std::string, Setter>& setters) {
  const std::string& argument = arguments[*place];
  const size_t equals = argument.find('=');
  const std::string name = argument.substr(0, equals);
  if (setters.count(name) == 0) {
    throw UserError("unknown option '" + argument + "'", "command line", kSeeHelp);
  }
  std::string value;
  if (equals != std::string::npos) {
    value = argument.substr(equals + 1);
  } else if (*place + 1 < arguments.size() && arguments[*place + 1].rfind("--", 0) != 0) {
    value = arguments[++*place];
  }
  if (value.empty()) {
    throw UserError("the option has no value", name, kSeeHelp);
  }
  return {name, value};
}

void CheckOptions(Options* options) {
  if (options->mindir_path.empty()) {
    throw UserError("no model is given", "--mindir_path", "name the exported .mindir file");
  }
  std::vector<std::string>& paths = options->input_paths;
  while (!paths.empty() && paths.back().empty()) {
    paths.pop_back();
  }
  const auto gap = std::find(paths.begin(), paths.end(), "");
  if (!options->check_model && (paths.empty() || gap != paths.end())) {
    const auto number = static_cast<size_t>(gap - paths.begin());
    throw UserError("an input folder is missing", InputOption(number), "name the folder of input " +
                                                                           std::to_string(number));
  }
  if (!options->precision_mode.empty() && options->device != Device::kAscend) {
    throw UserError("the precision can be chosen on Ascend only", "--precision_mode", "leave it out on the CPU");
  }
  if (options->threads != 0 && options->device != Device::kCpu) {
    throw UserError("threads can be chosen on the CPU only", "--threads", "leave it out on Ascend");
  }
}

}  // namespace

Options ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  options.help = std::any_of(arguments.begin(), arguments.end(),
                             [](const std::string& text) { return text == "--help" || text == "-h"; });
  if (options.help) {
    return options;
  }
  const std::map<std::string, Setter> setters = Setters(&options);
  std::set<std::string> seen;
  for (size_t place = 0; place < arguments.size(); ++place) {
    const auto [name, value] = TakeOption(arguments, &place, setters);
    if (!seen.insert(name).second) {
      throw UserError("the option is given twice", name, "give it once");
    }
    setters.at(name)(name, value);
  }
  CheckOptions(&options);
  return options;
}

std::string UsageText() {
  return R"(usage: ascend310_infer --mindir_path FILE --input0_path DIR --input1_path DIR --input2_path DIR [OPTIONS]
Runs a MindIR model on every batch of the input folders. The files of a batch have the same name in every folder, end
in .bin and hold one raw int32 array of the model's input. Options are written --name=value or --name value.

  --mindir_path FILE     the model
  --inputN_path DIR      the files of the model's input N: 0 input_ids, 1 input_mask, 2 segment_ids; a model with
                         three inputs takes no --input3_path (the labels of the old preprocessing) and says so
  --device Ascend|CPU    where to run (default Ascend: 310 and 310P)
  --device_id N          number of the Ascend device (default 0)
  --precision_mode MODE  on Ascend: enforce_fp32, preferred_fp32, enforce_fp16, enforce_origin or preferred_optimal
  --threads N            on the CPU: threads of MindSpore Lite (default: its own choice); on a busy machine 1 is fastest
  --input_limits A,B,C   refuse values of input 0 that are not below A, of input 1 not below B, ...; 0: no limit
  --output_dir DIR       where <batch>_<output>.bin and results.json are written (default ./result_files)
  --time_dir DIR         where test_perform_static.txt is written (default ./time_result)
  --warmup N             runs of the first batch that are not counted (default 1)
  --check_model true     only find out whether the model can be built for the device: no folders are read or written
  --help                 show this text

exit status: 0 done; 2 an option, a path or a file is wrong; 3 MindSpore Lite refused the model, the device or a
batch; 130 or 143 interrupted. Without status 0 no results are written, and older ones are left as they were.
environment: GLOG_v  what MindSpore Lite logs: 0 debug, 1 info, 2 warnings, 3 errors, 4 nothing (default 4)
)";
}

std::string DeviceName(Device device) { return device == Device::kAscend ? "Ascend" : "CPU"; }

}  // namespace albert
