// The single values of an event: whole numbers, times, addresses, texts that lose a part before they are
// stored. Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sealstream/core/ids.h"

namespace sealstream {

inline constexpr std::int64_t kMaxInteger = (std::int64_t{1} << 53) - 1;

/// A whole number in plain digits without leading zeros ("0", "42", "-7"), within both bounds; else nothing.
std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most);

/// RFC 3339 with zone, cut to microseconds; nothing where it is no such time. A second of 60 and an hour of
/// 24 are none. 'T' and 'Z' may be small letters, as the RFC allows.
std::optional<Timestamp> parse_time(std::string_view text);

/// The first host address in `text`, as inet_send gives it (family, bits, 0, length, address), or nothing.
/// `text` is an address, with a port or a zone or both, or a list of them with commas. IPv4-mapped IPv6
/// addresses stay IPv6.
std::optional<std::string> parse_address(std::string_view text);

/// At most `bound` bytes of `text`, cut at a code point and never inside a marker of a redaction.
std::string_view cut(std::string_view text, std::size_t bound);

/// The path of a request without its query and fragment.
std::string_view without_query(std::string_view path);

/// The origin of a URL: scheme, host and port, without credentials and path. What has no scheme loses
/// everything from the first '/', '?' or '#' on.
std::string origin_of(std::string_view url);

/// Whether a content type, parameters ignored, says that the content is JSON.
bool is_json_type(std::string_view content_type);

/// The media type of a content type: small letters, parameters and spaces around it dropped.
std::string media_type(std::string_view content_type);

/// The parts of a W3C traceparent.
struct TraceParent {
  std::string_view trace_id;
  std::string_view span_id;
};

/// The parts of `text`, or nothing where it is no traceparent of the W3C Trace Context.
std::optional<TraceParent> parse_traceparent(std::string_view text);

}  // namespace sealstream
