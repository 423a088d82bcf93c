#include "mindir.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

namespace albert {
namespace {

// MindSpore puts 0x7F3A5ED8 (AES-GCM) or 0x7F3A5ED9 (AES-CBC) in front of each encrypted block, little-endian.
constexpr std::array<std::string_view, 2> kEncrypted = {"\xD8\x5E\x3A\x7F", "\xD9\x5E\x3A\x7F"};
// Fields of ModelProto in MindSpore's mind_ir.proto.
constexpr uint64_t kModelVersionField = 5;
constexpr uint64_t kMindIrVersionField = 13;
// The only kinds of field that are outermost in it: a number, and bytes with their length.
constexpr uint64_t kNumber = 0;
constexpr uint64_t kBytes = 2;
// Longer ones are no versions.
constexpr uint64_t kLongestText = 32;
constexpr int kBitsOfByte = 7;
constexpr int kMostBits = 63;

bool IsEncrypted(std::istream* stream) {
  std::string head(kEncrypted.front().size(), '\0');
  stream->read(head.data(), static_cast<std::streamsize>(head.size()));
  return stream->good() && std::find(kEncrypted.begin(), kEncrypted.end(), head) != kEncrypted.end();
}

// Returns a number in the variable length of protobuf; nothing at the end of the file, or where it is none.
std::optional<uint64_t> ReadNumber(std::istream* stream) {
  uint64_t number = 0;
  for (int bits = 0; bits <= kMostBits; bits += kBitsOfByte) {
    const int byte = stream->get();
    if (byte < 0) {
      return std::nullopt;
    }
    number |= static_cast<uint64_t>(byte & 0x7F) << static_cast<unsigned>(bits);
    if ((byte & 0x80) == 0) {
      return number;
    }
  }
  return std::nullopt;
}

std::string ReadText(std::istream* stream, uint64_t bytes) {
  std::string text(bytes, '\0');
  stream->read(text.data(), static_cast<std::streamsize>(bytes));
  const bool plain = std::all_of(text.begin(), text.end(), [](char sign) { return sign > ' ' && sign <= '~'; });
  return stream->good() && plain ? text : "";
}

// Reads the next field into "info"; returns whether there was one.
bool ReadField(std::istream* stream, MindirInfo* info) {
  const std::optional<uint64_t> key = ReadNumber(stream);
  const std::optional<uint64_t> value = key ? ReadNumber(stream) : std::nullopt;
  if (!value) {
    return false;
  }
  const uint64_t field = *key >> 3U;
  const uint64_t kind = *key & 7U;
  if (kind == kNumber) {
    if (field == kMindIrVersionField && *value <= std::numeric_limits<int32_t>::max()) {
      info->version = static_cast<int64_t>(*value);
    }
    return true;
  }
  if (kind != kBytes || *value > static_cast<uint64_t>(std::numeric_limits<std::streamoff>::max())) {
    return false;
  }
  if (field == kModelVersionField && *value <= kLongestText) {
    info->mindspore = ReadText(stream, *value);
  } else {
    stream->seekg(static_cast<std::streamoff>(*value), std::ios::cur);
  }
  return stream->good();
}

}  // namespace

MindirInfo ReadMindirInfo(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  MindirInfo info;
  info.encrypted = IsEncrypted(&stream);
  if (info.encrypted) {
    return info;
  }
  stream.clear();
  stream.seekg(0);
  while (ReadField(&stream, &info)) {
  }
  return info;
}

}  // namespace albert
