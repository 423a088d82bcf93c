// The little JSON that is written.
#ifndef ALBERT_ASCEND310_INFER_JSON_H_
#define ALBERT_ASCEND310_INFER_JSON_H_

#include <string>

namespace albert {

// Returns whether a text is valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool IsUtf8(const std::string& text);

// Returns a text as a JSON string in quotes; bytes that are not UTF-8 become U+FFFD.
std::string JsonString(const std::string& text);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_JSON_H_
