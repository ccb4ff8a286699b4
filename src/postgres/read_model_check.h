// Computes the read models again from the ledger and compares: `sealstream verify --read-models`, and what
// `sealstream rebuild read-models` would do.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "postgres/read_model_tables.h"

namespace sealstream {

/// Rows of one table, stored and as the ledger says.
struct ReadModelCounts {
  const ReadModelTable* table = nullptr;
  std::int64_t stored = 0;
  std::int64_t expected = 0;
  std::int64_t missing = 0;     ///< expected, not stored
  std::int64_t unexpected = 0;  ///< stored, not expected
  std::int64_t different = 0;   ///< of the same key, with other values

  std::int64_t differences() const { return missing + unexpected + different; }
};

/// One row that is not what the ledger says. Values as PostgreSQL prints them, times in UTC; no personal one.
struct ReadModelDifference {
  struct Value {
    std::string column;
    std::optional<std::string> stored;
    std::optional<std::string> expected;
    bool personal = false;  ///< the values are not told
  };
  const ReadModelTable* table = nullptr;
  std::string kind;                                      ///< missing, unexpected, different
  std::vector<std::pair<std::string, std::string>> key;  ///< column and value
  std::vector<Value> values;                             ///< what differs
};

struct ReadModelCheck {
  static constexpr std::int64_t kMaxNamed = 1'000;

  std::string obstacle;                          ///< why nothing was compared; empty: all was
  std::vector<ReadModelCounts> counts;           ///< a table each
  std::vector<ReadModelDifference> differences;  ///< at most kMaxNamed
  std::int64_t open_keys = 0;                    ///< stored, whose personal columns an erasure left open
  std::int64_t open_anomalies = 0;               ///< stored, whose windows hold erased rows

  std::int64_t difference_count() const;
};

struct ReadModelCheckOptions {
  std::string snapshot = {};                       ///< as pg_export_snapshot names it; empty: one of its own
  std::optional<std::string> tenant = {};          ///< nothing: all
  std::optional<ReadModel> model = {};             ///< nothing: all
  std::int64_t named = ReadModelCheck::kMaxNamed;  ///< how many differences at most are named
};

/// In one REPEATABLE READ transaction that ends with ROLLBACK. What it needs beside reading is the right to
/// make temporary tables. Throws LedgerError. Costs several passes over the ledger.
/// Precondition: `connection`'s answer timeout is as long as a statement may take.
ReadModelCheck check_read_models(Connection& connection, const ReadModelCheckOptions& options);

}  // namespace sealstream
