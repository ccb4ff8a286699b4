// Reads the ledger and its bookkeeping as they are stored, for the verifier: all in one snapshot, as a role
// that may read every tenant and change nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/connection_options.h"
#include "sealstream/core/ids.h"
#include "sealstream/core/row.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// A column of the live table.
struct LiveColumn {
  std::string name;
  std::string type;  ///< as format_type() names it
};

/// A row of the ledger. Views live until the callback returns. What the schema forbids to be NULL may still
/// be NULL here: whoever tampers owns the schema.
struct StoredRow {
  std::optional<std::string_view> tenant;
  std::optional<Seq> seq;
  std::optional<std::string_view> prev_checksum;
  std::optional<std::string_view> checksum;
  Row row;  ///< every column that is hashed, in the bytes that are hashed
};

struct StoredHead {
  std::string tenant;
  Seq seq;
  std::string checksum;
  Timestamp recorded_at;
  std::int64_t events;
  std::int64_t quarantined;
};

/// A partition's position and running totals, open or closed.
struct StoredPartition {
  std::string topic;
  LogEpoch log_epoch;
  Partition partition;
  Offset first_offset;
  Offset next_offset;
  std::int64_t accepted;
  std::int64_t duplicate;
  std::int64_t quarantined;
  std::int64_t skipped;
  std::int64_t lost;
  bool loss_said;  ///< an event in the chain of _sealstream says what was lost of it, where it is closed
};

/// An event id that a tenant's chain holds more than once.
struct RepeatedId {
  std::string tenant;
  std::string event_id;
  Seq first;
  Seq last;
  std::int64_t rows;
};

/// Which rows to read; all of them where nothing is set.
struct RowFilter {
  std::optional<std::string> tenant;
  std::optional<std::string> from_tenant;    ///< this one and those behind it, by their bytes
  std::optional<std::string> before_tenant;  ///< those before it; without it also rows that have no tenant
  std::optional<Timestamp> recorded_since;
};

/// The columns that audit.ledger must have for its rows to be read: no more, no less, of these types.
std::vector<LiveColumn> expected_columns();

/// One connection and one REPEATABLE READ, READ ONLY transaction, from construction to destruction. Not
/// thread-safe. All calls throw LedgerError and block: keep-alives find a server that went away, but one that
/// is busy sorting is waited for as long as it takes (answer_timeout does not count here).
class LedgerReader {
 public:
  explicit LedgerReader(const ConnectionOptions& options);
  /// Another reader of the same snapshot, on a connection of its own.
  std::unique_ptr<LedgerReader> another();
  ~LedgerReader();
  LedgerReader(const LedgerReader&) = delete;
  LedgerReader& operator=(const LedgerReader&) = delete;

  /// The name of the snapshot that all calls read, for another session to read the same: valid as long as
  /// this object lives.
  std::string snapshot();

  /// The live columns of audit.ledger, in their order.
  std::vector<LiveColumn> columns();

  /// Calls `take` with every row, by tenant and seq. Precondition: columns() are the expected ones. Streams:
  /// the memory it takes does not depend on the number of rows.
  void rows(const RowFilter& filter, const std::function<void(const StoredRow&)>& take);

  /// Of one tenant, or of all.
  std::vector<StoredHead> heads(const std::optional<std::string>& tenant);

  /// All partitions, closed epochs included.
  std::vector<StoredPartition> partitions();

  /// Ids that occur more than once in a chain, at most `limit`. Reads the whole ledger.
  std::vector<RepeatedId> repeated_ids(const std::optional<std::string>& tenant, int limit);

 private:
  LedgerReader(const ConnectionOptions& options, const std::string& snapshot);

  struct Connection;
  const ConnectionOptions options_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace sealstream
