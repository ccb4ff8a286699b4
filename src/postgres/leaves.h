// The leaves of the ledger: a table for each month of recorded_at in UTC, and its name tells which.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sealstream/core/ids.h"

namespace sealstream {

/// The leaf that holds rows recorded at `moment`, without its schema: ledger_y2026m11. As
/// audit.ensure_partition names it. Outside the years 1970 to 9998 the name is one that no leaf has.
std::string leaf_name(Timestamp moment);

/// The first moment after the leaf's month; nothing where the name is not that of a leaf.
std::optional<Timestamp> leaf_end(std::string_view name);

/// The first moment of the month that lies `months` after that of `moment`.
Timestamp month_start(Timestamp moment, int months);

}  // namespace sealstream
