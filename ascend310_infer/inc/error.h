// Errors that end the application with one line and a status of their own.
#ifndef ALBERT_ASCEND310_INFER_ERROR_H_
#define ALBERT_ASCEND310_INFER_ERROR_H_

#include <stdexcept>
#include <string>

namespace albert {

// What the user can mend: an option, a path, a file.
constexpr int kExitUserError = 2;
// What MindSpore Lite refuses: a model that it cannot build, a device that is not there, a failed prediction.
constexpr int kExitRuntimeError = 3;

// An error says what is wrong, where, and what to do about it.
class AppError : public std::runtime_error {
 public:
  AppError(int status, const std::string& what, const std::string& where, const std::string& fix);

  int status() const { return status_; }

 private:
  int status_;
};

AppError UserError(const std::string& what, const std::string& where, const std::string& fix);
AppError RuntimeError(const std::string& what, const std::string& where, const std::string& fix);

// Returns the text of an errno value, also where several threads ask.
std::string SystemText(int error_number);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_ERROR_H_
