// Entry point: options in, exit status out.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "application.h"
#include "error.h"
#include "options.h"
#include "results.h"
#include "supervise.h"

namespace albert {
namespace {

int Fail(const AppError& error) {
  std::cout.flush();
  std::cerr << "error: " << error.what() << std::endl;
  return error.status();
}

// Whatever is thrown becomes one line and a status.
template <class Work>
int WithClearErrors(const Work& work) {
  try {
    return work();
  } catch (const AppError& error) {
    return Fail(error);
  } catch (const std::bad_alloc&) {
    return Fail(RuntimeError("there is not enough memory", "", "use smaller batches"));
  } catch (const std::exception& error) {
    return Fail(RuntimeError("MindSpore Lite failed", error.what(), "set GLOG_v=2 to see why"));
  } catch (...) {
    return Fail(RuntimeError("MindSpore Lite failed", "unknown exception", "set GLOG_v=2 to see why"));
  }
}

int Main(const std::vector<std::string>& arguments) {
  const Options options = ParseOptions(arguments);
  if (options.help) {
    std::cout << UsageText();
    return 0;
  }
  const auto inference = [&options] {
    RunInference(options);
    return 0;
  };
  // What a run that fails has made, it takes away again, also where it crashed.
  const std::vector<std::filesystem::path> made = MissingFolders({options.output_dir, options.time_dir});
  const auto clean_up = [&options, &made](pid_t process) {
    RemoveUnfinished(options.output_dir, process);
    RemoveEmpty(made);
  };
  const int status = RunSupervised([&inference] { return WithClearErrors(inference); }, clean_up);
  if (status != 0) {
    RemoveEmpty(made);
  }
  return status;
}

}  // namespace
}  // namespace albert

int main(int argc, char** argv) {
  // MindSpore Lite writes pages of its own errors where this program says in one line what is wrong. Lite looks at the
  // variable when it is loaded, which has happened by now, so the program begins anew.
  if (std::getenv("GLOG_v") == nullptr && setenv("GLOG_v", "4", 0) == 0) {
    execv("/proc/self/exe", argv);
  }
  return albert::WithClearErrors([&] { return albert::Main(std::vector<std::string>(argv + 1, argv + argc)); });
}
