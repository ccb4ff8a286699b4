#include "postgres/numeric.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "core/big_endian.h"

namespace sealstream {
namespace {

constexpr std::size_t kGroup = 4;
constexpr std::uint16_t kNegative = 0x4000;

void put(char* out, std::uint16_t value) {
  const auto bytes = big_endian(value);
  std::memcpy(out, bytes.data(), bytes.size());
}

/// The digits of a group that begins at `begin`, counted from the left of `digits`; places beyond either end
/// are 0.
std::uint16_t group(std::string_view digits, std::ptrdiff_t begin) {
  std::uint16_t value = 0;
  for (std::ptrdiff_t i = begin; i < begin + static_cast<std::ptrdiff_t>(kGroup); ++i) {
    const bool inside = i >= 0 && i < static_cast<std::ptrdiff_t>(digits.size());
    const char digit = inside ? digits[static_cast<std::size_t>(i)] : '0';
    assert(digit >= '0' && digit <= '9');
    value = static_cast<std::uint16_t>(value * 10 + (digit - '0'));
  }
  return value;
}

}  // namespace

std::size_t write_numeric(char* out, std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  const auto whole = text.substr(0, point);
  const auto fraction = text.substr(std::min(point + 1, text.size()));
  assert(!whole.empty());

  char* digit = out + 8;
  std::size_t count = 0;
  auto weight = static_cast<std::int64_t>((whole.size() + kGroup - 1) / kGroup) - 1;
  std::size_t trailing_zeros = 0;
  const auto add = [&](std::uint16_t value) {
    if (count == 0 && value == 0) {
      --weight;  // leading zeros are not sent
      return;
    }
    put(digit, value);
    digit += 2;
    ++count;
    trailing_zeros = value == 0 ? trailing_zeros + 1 : 0;
  };
  const auto whole_size = static_cast<std::ptrdiff_t>(whole.size());
  const auto step = static_cast<std::ptrdiff_t>(kGroup);
  for (auto begin = -((step - whole_size % step) % step); begin < whole_size; begin += step) {
    add(group(whole, begin));
  }
  for (std::ptrdiff_t begin = 0; begin < static_cast<std::ptrdiff_t>(fraction.size()); begin += step) {
    add(group(fraction, begin));
  }
  count -= trailing_zeros;
  put(out, static_cast<std::uint16_t>(count));
  put(out + 2, static_cast<std::uint16_t>(count == 0 ? 0 : weight));
  put(out + 4, negative && count > 0 ? kNegative : 0);
  put(out + 6, static_cast<std::uint16_t>(fraction.size()));
  return 8 + 2 * count;
}

}  // namespace sealstream
