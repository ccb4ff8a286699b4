#include "postgres/leaves.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace sealstream {
namespace {

constexpr std::string_view kShape = "ledger_y####m##";

std::chrono::year_month month_of(Timestamp moment) {
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(moment)};
  return day.year() / day.month();
}

Timestamp first_moment(std::chrono::year_month month) {
  return std::chrono::sys_days{month / std::chrono::day{1}};
}

bool has_shape(std::string_view name) {
  if (name.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool digit = name[i] >= '0' && name[i] <= '9';
    if (kShape[i] == '#' ? !digit : name[i] != kShape[i]) return false;
  }
  return true;
}

int number(std::string_view digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

}  // namespace

std::string leaf_name(Timestamp moment) {
  const auto month = month_of(moment);
  const int year = static_cast<int>(month.year());
  std::array<char, 32> name;
  const int length = std::snprintf(name.data(), name.size(), "ledger_y%04dm%02u", year,
                                   static_cast<unsigned>(month.month()));
  return {name.data(), static_cast<std::size_t>(length)};
}

std::optional<Timestamp> leaf_end(std::string_view name) {
  if (!has_shape(name)) return std::nullopt;
  const std::chrono::year_month month{std::chrono::year{number(name.substr(8, 4))},
                                      std::chrono::month{static_cast<unsigned>(number(name.substr(13, 2)))}};
  if (!month.ok()) return std::nullopt;
  return first_moment(month + std::chrono::months{1});
}

Timestamp month_start(Timestamp moment, int months) {
  return first_moment(month_of(moment) + std::chrono::months{months});
}

}  // namespace sealstream
