// Decimal text as PostgreSQL sends a numeric (numeric_send in its source): digits to the base of 10,000.
#pragma once

#include <cstddef>
#include <string_view>

#include "sealstream/core/usage.h"

namespace sealstream {

/// Upper bound of what write_numeric writes.
constexpr std::size_t numeric_bytes_bound(std::size_t text_length) { return 8 + 2 * (text_length / 4 + 2); }

/// Writes `text` (digits with an optional leading '-' and an optional point, no exponent) at `out`; returns
/// the bytes written. What trim_scale(x)::text prints comes back from the server as the same text.
std::size_t write_numeric(char* out, std::string_view text);

/// Upper bound of what write_numeric writes of a number of 128 bits.
constexpr std::size_t kNumericBytesBound = 8 + 2 * 10;

/// Writes `units` · 10^−`places` likewise, without zeros at its end. `places` is a multiple of 4.
std::size_t write_numeric(char* out, Int128 units, int places);

}  // namespace sealstream
