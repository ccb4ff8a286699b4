#include "core/json_escape.h"

#include <cstdint>
#include <optional>

namespace sealstream {
namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    tail(12), tail(6), tail(0);
  }
}

/// The UTF-16 unit of \uXXXX at the beginning of `text`.
std::optional<std::uint32_t> unit_of(std::string_view text) {
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  std::uint32_t unit = 0;
  for (const char c : text.substr(2, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      unit = unit * 16 + static_cast<std::uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      unit = unit * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return unit;
}

}  // namespace

std::size_t append_unescaped(std::string& out, std::string_view text) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  constexpr std::size_t kUnit = 6;
  if (text.size() < 2 || text.front() != '\\') return 0;
  if (const auto letter = kLetters.find(text[1]); letter != kLetters.npos) {
    out += kMeanings[letter];
    return 2;
  }
  const auto unit = unit_of(text);
  if (!unit || *unit == 0) return 0;
  if (*unit < 0xD800 || *unit >= 0xE000) {
    append_utf8(out, *unit);
    return kUnit;
  }
  const auto low = *unit < 0xDC00 ? unit_of(text.substr(kUnit)) : std::nullopt;
  if (!low || *low < 0xDC00 || *low >= 0xE000) return 0;
  append_utf8(out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
  return 2 * kUnit;
}

}  // namespace sealstream
