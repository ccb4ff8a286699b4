#include "postgres/numeric.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "core/big_endian.h"

namespace sealstream {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr std::size_t kGroup = 4;
constexpr std::uint64_t kBase = 10'000;
constexpr std::size_t kMostGroups = 10;  // of 128 bits
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

std::size_t write_numeric(char* out, Int128 units, int places) {
  assert(places % static_cast<int>(kGroup) == 0);
  const bool negative = units < 0;
  Uint128 rest = negative ? -static_cast<Uint128>(units) : static_cast<Uint128>(units);
  std::array<std::uint16_t, kMostGroups> groups{};  // from the right
  std::size_t used = 0;
  for (; rest > UINT64_MAX; rest /= kBase) groups[used++] = static_cast<std::uint16_t>(rest % kBase);
  for (auto low = static_cast<std::uint64_t>(rest); low > 0; low /= kBase) {
    groups[used++] = static_cast<std::uint16_t>(low % kBase);
  }
  std::size_t zeros = 0;
  while (zeros < used && groups[zeros] == 0) ++zeros;
  const auto fraction = static_cast<std::size_t>(places) / kGroup;
  std::size_t scale = zeros < fraction && used > 0 ? (fraction - zeros) * kGroup : 0;
  for (auto last = scale > 0 ? groups[zeros] : std::uint16_t{1}; last % 10 == 0; last /= 10) --scale;

  put(out, static_cast<std::uint16_t>(used - zeros));
  put(out + 2, static_cast<std::uint16_t>(used == 0 ? 0 : used - 1 - fraction));
  put(out + 4, negative ? kNegative : 0);
  put(out + 6, static_cast<std::uint16_t>(scale));
  char* digit = out + 8;
  for (std::size_t i = used; i > zeros; --i, digit += 2) put(digit, groups[i - 1]);
  return static_cast<std::size_t>(digit - out);
}

}  // namespace sealstream
