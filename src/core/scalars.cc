#include "core/scalars.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "core/secret_rules.h"

namespace sealstream {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes exactly `count` digits off the front of `text`; nothing where there are fewer.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count || !std::all_of(text.begin(), text.begin() + count, is_digit)) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + count, value);
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view any) {
  if (text.empty() || any.find(text.front()) == any.npos) return false;
  text.remove_prefix(1);
  return true;
}

/// Fields of fixed width with a separator in front of each but the first: 2025-01-24, 09:20:46.
template <std::size_t N>
std::optional<std::array<int, N>> take_fields(std::string_view& text,
                                              const std::array<std::size_t, N>& widths,
                                              std::string_view separator) {
  std::array<int, N> fields{};
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0 && !take(text, separator)) return std::nullopt;
    const auto field = take_digits(text, widths[i]);
    if (!field) return std::nullopt;
    fields[i] = *field;
  }
  return fields;
}

/// The microseconds of ".123456789"; 0 where there is no fraction, nothing where it has no digits.
std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  std::chrono::microseconds fraction{0};
  if (!take(text, ".")) return fraction;
  std::int64_t unit = 100'000;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    fraction += std::chrono::microseconds(unit * (text[digits] - '0'));
    unit /= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return fraction;
}

std::optional<std::chrono::minutes> take_zone(std::string_view& text) {
  if (take(text, "Zz")) return std::chrono::minutes{0};
  if (text.empty()) return std::nullopt;
  const bool west = text.front() == '-';
  if (!take(text, "+-")) return std::nullopt;
  const auto offset = take_fields<2>(text, {2, 2}, ":");
  if (!offset || (*offset)[0] > 23 || (*offset)[1] > 59) return std::nullopt;
  const auto ahead = std::chrono::hours((*offset)[0]) + std::chrono::minutes((*offset)[1]);
  return west ? -ahead : ahead;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, is_digit);
}

/// An address without port and zone; empty where what stands around it is neither.
std::string_view bare_address(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return {};
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !(rest.front() == ':' && is_port(rest.substr(1)))) return {};
    text = text.substr(1, close - 1);
  } else if (std::ranges::count(text, ':') == 1) {
    const std::size_t colon = text.find(':');
    if (!is_port(text.substr(colon + 1))) return {};
    return text.substr(0, colon);
  }
  const std::size_t zone = text.find('%');
  const bool has_zone = zone != text.npos && text.find(':') < zone;
  return has_zone ? text.substr(0, zone) : text;
}

std::optional<std::string> inet_bytes(std::string_view address) {
  constexpr char kFamily4 = 2;
  constexpr char kFamily6 = 3;  // PostgreSQL's own number, not the system's AF_INET6
  if (address.empty() || address.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  const std::string terminated(address);
  std::array<char, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return std::string{kFamily4, 32, 0, 4} + std::string(bytes.data(), 4);
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return std::string{kFamily6, static_cast<char>(128), 0, 16} + std::string(bytes.data(), 16);
  }
  return std::nullopt;
}

bool is_lower_hex(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view hex) { return hex.find_first_not_of('0') == hex.npos; }

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most) {
  std::string_view digits = text;
  const bool negative = take(digits, "-");
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  if (digits.front() == '0' && (digits.size() > 1 || negative)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value < least || value > most) return std::nullopt;
  return value;
}

std::optional<Timestamp> parse_time(std::string_view text) {
  const auto date = take_fields<3>(text, {4, 2, 2}, "-");
  if (!date || !take(text, "Tt")) return std::nullopt;
  const auto clock = take_fields<3>(text, {2, 2, 2}, ":");
  if (!clock || (*clock)[0] > 23 || (*clock)[1] > 59 || (*clock)[2] > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year((*date)[0]),
                                        std::chrono::month(static_cast<unsigned>((*date)[1])),
                                        std::chrono::day(static_cast<unsigned>((*date)[2]))};
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days(day) + std::chrono::hours((*clock)[0]) + std::chrono::minutes((*clock)[1]) +
         std::chrono::seconds((*clock)[2]) + *fraction - *zone;
}

std::optional<std::string> parse_address(std::string_view text) {
  while (true) {
    const std::size_t comma = text.find(',');
    if (auto bytes = inet_bytes(bare_address(trim(text.substr(0, comma))))) return bytes;
    if (comma == text.npos) return std::nullopt;
    text.remove_prefix(comma + 1);
  }
}

std::string_view cut(std::string_view text, std::size_t bound) {
  if (text.size() <= bound) return text;
  const auto is_tail = [text](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  std::size_t end = bound;
  for (int tails = 0; tails < 3 && end > 0 && is_tail(end); ++tails) --end;
  const std::size_t reach = std::min(end, kLongestMarker);
  for (std::size_t begin = end - reach; begin < end; ++begin) {
    if (text[begin] == '[' && begin + marker_length(text.substr(begin)) > end) return text.substr(0, begin);
  }
  return text.substr(0, end);
}

std::string_view without_query(std::string_view path) { return path.substr(0, path.find_first_of("?#")); }

std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == url.npos ? 0 : scheme + 3;
  std::string_view authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  if (const std::size_t at = authority.rfind('@'); at != authority.npos) authority.remove_prefix(at + 1);
  return std::string(url.substr(0, begin)).append(authority);
}

std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  std::ranges::transform(type, type.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return type;
}

bool is_json_type(std::string_view content_type) {
  const std::string type = media_type(content_type);
  return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  constexpr std::size_t kLength = 55;
  if (text.size() != kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const TraceParent parent{text.substr(3, 32), text.substr(36, 16)};
  if (!is_lower_hex(text.substr(0, 2), 2) || text.starts_with("ff") || !is_lower_hex(text.substr(53), 2)) {
    return std::nullopt;
  }
  if (!is_lower_hex(parent.trace_id, 32) || is_zero(parent.trace_id)) return std::nullopt;
  if (!is_lower_hex(parent.span_id, 16) || is_zero(parent.span_id)) return std::nullopt;
  return parent;
}

}  // namespace sealstream
