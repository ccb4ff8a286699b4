// Checks every chain of a range of tenants: one scan, one thread. A verification is made of these.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/chain_check.h"
#include "postgres/ledger_reader.h"

namespace sealstream {

/// A log that rows and counters speak of.
struct Log {
  std::string topic;
  std::int64_t partition;
  std::int64_t log_epoch;
  friend auto operator<=>(const Log&, const Log&) = default;
};

/// What the ledger holds of one log.
struct LogRows {
  std::int64_t events = 0;
  std::int64_t tombstones = 0;
  std::int64_t lowest_offset = INT64_MAX;
  std::int64_t highest_offset = INT64_MIN;

  void add(const LogRows& other);
};

/// What a scan found. Faults in the order of the rows.
struct RangeResult {
  std::int64_t rows = 0;
  std::int64_t chains = 0;
  PersonalCounts personal;
  std::set<std::string> absent_keys;
  std::vector<Fault> faults;  ///< at most kMostNoted of each
  std::int64_t fault_count = 0;
  Verdict verdict = Verdict::intact;
  std::vector<Erasure> erasures;
  std::vector<Erasure> half_erased;
  std::int64_t half_erased_rows = 0;
  std::map<Log, LogRows> logs;
  std::vector<StoredHead> heads_without_rows;
};
inline constexpr std::size_t kMostNoted = 1'000;

/// Reads the rows of `filter` and checks them against `heads`, which are those of the filter's tenants.
/// `keyring` may be null. `progress` is called with the number of rows since the last call. Throws
/// LedgerError.
RangeResult check_range(LedgerReader& reader, const Keyring* keyring, const RowFilter& filter,
                        const std::vector<StoredHead>& heads,
                        const std::function<void(std::int64_t)>& progress);

}  // namespace sealstream
