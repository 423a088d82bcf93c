#include "error.h"

#include <algorithm>
#include <system_error>

namespace albert {
namespace {

// Line breaks inside a path or a message of the runtime must not break the one line.
std::string OneLine(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char sign) { return sign == '\n' || sign == '\r'; }, ' ');
  return text;
}

std::string Message(const std::string& what, const std::string& where, const std::string& fix) {
  std::string text = what;
  if (!where.empty()) {
    text += " (" + where + ")";
  }
  if (!fix.empty()) {
    text += " -> " + fix;
  }
  return OneLine(text);
}

}  // namespace

AppError::AppError(int status, const std::string& what, const std::string& where, const std::string& fix)
    : std::runtime_error(Message(what, where, fix)), status_(status) {}

AppError UserError(const std::string& what, const std::string& where, const std::string& fix) {
  return {kExitUserError, what, where, fix};
}

AppError RuntimeError(const std::string& what, const std::string& where, const std::string& fix) {
  return {kExitRuntimeError, what, where, fix};
}

std::string SystemText(int error_number) { return std::generic_category().message(error_number); }

}  // namespace albert
