// What the fuzz targets share: how an input is cut into pieces, and what happens where a property does not
// hold.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sealstream::fuzz {

/// libFuzzer takes the end of the process for a finding, keeps the input, and prints its path.
inline void demand(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

/// Cuts pieces off the front of an input. Text as far as it can be: an input that fails can be read, and
/// written by hand.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  /// Up to the end of the line, which is taken too.
  std::string_view line() {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(line.size() == rest_.size() ? line.size() : line.size() + 1);
    return line;
  }
  /// `count` bytes, or as many as there are.
  std::string_view bytes(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view all() { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace sealstream::fuzz
