// Numbers of the json text form and amounts of money: decimal digits all the way, no binary floating point.
#include <algorithm>
#include <charconv>

#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A JSON number, taken apart: ±(whole fraction) × 10^(exponent − length of fraction).
struct NumberToken {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::int64_t exponent = 0;
};

std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_exponent(std::string_view& text) {
  const bool negative = take(text, '-');
  if (!negative) take(text, '+');
  std::string_view digits = take_digits(text);
  if (digits.empty()) return std::nullopt;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.size() > 9) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  static_assert(kMaxExponent == 999'999'999, "nine digits");
  return negative ? -value : value;
}

std::optional<NumberToken> parse_number(std::string_view text) {
  NumberToken number;
  number.negative = take(text, '-');
  number.whole = take_digits(text);
  if (number.whole.empty() || (number.whole.size() > 1 && number.whole.front() == '0')) return std::nullopt;
  if (take(text, '.')) {
    number.fraction = take_digits(text);
    if (number.fraction.empty()) return std::nullopt;
  }
  if (take(text, 'e') || take(text, 'E')) {
    const auto exponent = take_exponent(text);
    if (!exponent) return std::nullopt;
    number.exponent = *exponent;
  }
  if (!text.empty()) return std::nullopt;
  return number;
}

std::size_t leading_zeros(std::string_view digits) {
  return std::min(digits.find_first_not_of('0'), digits.size());
}

/// The digits from the first that is not zero: their count, and the digit at a place among them.
class Significant {
 public:
  explicit Significant(const NumberToken& number) : whole_(number.whole), fraction_(number.fraction) {
    whole_.remove_prefix(leading_zeros(whole_));
    if (whole_.empty()) fraction_.remove_prefix(leading_zeros(fraction_));
  }
  std::int64_t size() const { return static_cast<std::int64_t>(whole_.size() + fraction_.size()); }
  char operator[](std::int64_t place) const {
    const auto i = static_cast<std::size_t>(place);
    return i < whole_.size() ? whole_[i] : fraction_[i - whole_.size()];
  }
  bool zeros_from(std::int64_t place) const {
    const auto begin = static_cast<std::size_t>(place);
    const auto in_whole = whole_.substr(std::min(begin, whole_.size()));
    const auto in_fraction = fraction_.substr(begin > whole_.size() ? begin - whole_.size() : 0);
    return leading_zeros(in_whole) == in_whole.size() && leading_zeros(in_fraction) == in_fraction.size();
  }

 private:
  std::string_view whole_;
  std::string_view fraction_;
};

constexpr int kMoneyPlaces = 12;
constexpr std::uint64_t kMaxMoney = 1'000'000'000'000'000'000;  // 10^6, in units of 10^-12

std::string print_money(std::uint64_t units) {
  std::string digits = std::to_string(units);
  if (digits.size() <= kMoneyPlaces) digits.insert(0, kMoneyPlaces + 1 - digits.size(), '0');
  digits.insert(digits.size() - kMoneyPlaces, 1, '.');
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

}  // namespace

bool append_json_number(std::string& out, std::string_view token) {
  const auto number = parse_number(token);
  if (!number) return false;
  const Significant digits(*number);
  const auto fraction = static_cast<std::int64_t>(number->fraction.size());
  const std::int64_t scale = std::max<std::int64_t>(0, fraction - number->exponent);
  const bool zero = digits.size() == 0;
  // Where the point stands among the significant digits; zeros fill what lies outside of them.
  const std::int64_t point = zero ? 0 : digits.size() + number->exponent - fraction;
  const std::int64_t whole = std::max<std::int64_t>(1, point);
  const bool minus = number->negative && !zero;
  const std::int64_t length = (minus ? 1 : 0) + whole + (scale > 0 ? 1 + scale : 0);
  if (length > static_cast<std::int64_t>(kMaxNumberCharacters)) return false;

  if (minus) out += '-';
  for (std::int64_t place = point - whole; place < point + scale; ++place) {
    if (place == point) out += '.';
    out += place >= 0 && place < digits.size() ? digits[place] : '0';
  }
  return true;
}

std::optional<std::string> money_text(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return std::nullopt;
  const Significant digits(*number);
  if (digits.size() == 0) return "0";
  if (number->negative) return std::nullopt;
  // How many significant digits stand before the last place that is kept.
  const std::int64_t kept =
      digits.size() + number->exponent - static_cast<std::int64_t>(number->fraction.size()) + kMoneyPlaces;
  if (kept < 0) return "0";
  if (kept > 19) return std::nullopt;  // 10^7 and more
  std::uint64_t units = 0;
  for (std::int64_t place = 0; place < kept; ++place) {
    units = units * 10 + static_cast<std::uint64_t>(place < digits.size() ? digits[place] - '0' : 0);
  }
  const bool exact = kept >= digits.size() || digits.zeros_from(kept);
  if (units > kMaxMoney || (units == kMaxMoney && !exact)) return std::nullopt;
  if (!exact) {
    const char dropped = digits[kept];
    const bool half = dropped == '5' && digits.zeros_from(kept + 1);
    if (half ? units % 2 == 1 : dropped >= '5') ++units;
  }
  return print_money(units);
}

}  // namespace sealstream
