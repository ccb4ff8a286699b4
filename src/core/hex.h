// Bytes as hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace sealstream {

/// Appends two small digits for each byte.
inline void append_hex(std::string& text, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
}

}  // namespace sealstream
