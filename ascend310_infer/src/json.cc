#include "json.h"

#include <cstddef>
#include <cstdint>

namespace albert {
namespace {

// Returns the length in bytes of the character at "place", 0 when the bytes there are not UTF-8.
size_t CharacterLength(const std::string& text, size_t place) {
  const auto byte = [&text](size_t at) { return static_cast<uint8_t>(text[at]); };
  const uint8_t first = byte(place);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || place + length > text.size()) {
    return 0;
  }
  for (size_t at = place + 1; at < place + length; ++at) {
    if ((byte(at) & 0xC0U) != 0x80U) {
      return 0;
    }
  }
  const uint8_t second = byte(place + 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool too_high = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || too_high ? 0 : length;
}

std::string Escaped(char sign) {
  switch (sign) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (static_cast<uint8_t>(sign) >= 0x20) {
    return {sign};
  }
  const char* const digits = "0123456789abcdef";
  return std::string("\\u00") + digits[sign >> 4] + digits[sign & 0xF];
}

}  // namespace

bool IsUtf8(const std::string& text) {
  size_t place = 0;
  while (place < text.size()) {
    const size_t length = CharacterLength(text, place);
    if (length == 0) {
      return false;
    }
    place += length;
  }
  return true;
}

std::string JsonString(const std::string& text) {
  std::string json = "\"";
  for (size_t place = 0; place < text.size();) {
    const size_t length = CharacterLength(text, place);
    if (length == 0) {
      json += "\xEF\xBF\xBD";
      ++place;
    } else {
      json += length == 1 ? Escaped(text[place]) : text.substr(place, length);
      place += length;
    }
  }
  return json + "\"";
}

}  // namespace albert
