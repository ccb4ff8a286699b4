// Integers in the byte order of the chain format and of PostgreSQL's binary protocol.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <string>
#include <string_view>

namespace sealstream {

template <class Unsigned>
std::array<char, sizeof(Unsigned)> big_endian(Unsigned value) {
  std::array<char, sizeof(Unsigned)> out;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    out[i] = static_cast<char>(value >> (8 * (sizeof(Unsigned) - 1 - i)));
  }
  return out;
}

template <class Unsigned>
void append_big_endian(std::string& out, Unsigned value) {
  const auto bytes = big_endian(value);
  out.append(bytes.data(), bytes.size());
}

/// Precondition: `bytes` begins with one.
template <class Unsigned>
Unsigned read_big_endian(std::string_view bytes) {
  assert(bytes.size() >= sizeof(Unsigned));
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

}  // namespace sealstream
