// Moments as RFC 3339 text in UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "sealstream/core/ids.h"

namespace sealstream {

/// 2026-11-22T18:23:00.125Z
std::string moment_text(std::chrono::sys_time<std::chrono::milliseconds> moment);

/// With microseconds.
std::string moment_text(Timestamp moment);

/// YYYY-MM-DDThh:mm:ssZ, or the day alone for its first moment; nothing where it is no such text.
std::optional<Timestamp> parse_moment(std::string_view text);

}  // namespace sealstream
