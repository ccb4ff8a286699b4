// What the commands read: the quarantine as audit_operator, the state of the database as audit_auditor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "postgres/connection.h"
#include "sealstream/core/ids.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// Where a refused record stood in Kafka.
struct RecordPlace {
  PartitionId id;
  LogEpoch log_epoch;
  Offset offset;
};

/// A refused record, without what it held.
struct QuarantineEntry {
  RecordPlace place;
  Timestamp kafka_timestamp;
  Timestamp quarantined_at;
  std::string tenant;  ///< whose chain holds the tombstone
  std::string reason;
  std::string member_path;  ///< empty: the record as a whole
  std::string message;
  std::string sqlstate;    ///< of db_rejected, else empty
  std::string constraint;  ///< of db_rejected, else empty
  std::string state;       ///< open, released, discarded
  bool redacted = false;
  std::optional<std::int64_t> value_length;  ///< bytes of the value as it came; nothing where it was null
};

/// What a refused record held, secrets redacted. Any bytes: escape them before they go to a terminal.
struct QuarantineContent {
  QuarantineEntry entry;
  std::optional<std::string> key;
  std::optional<std::string> value;  ///< at most the first MiB
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

struct QuarantineFilter {
  std::string tenant;  ///< empty: all
  std::string reason;  ///< empty: all
  std::string state;   ///< empty: all
  int limit = 100;
};

/// Newest first. Throws LedgerError.
std::vector<QuarantineEntry> list_quarantine(Connection& as_operator, const QuarantineFilter& filter);
/// Nothing where no refused record stood there. Throws LedgerError.
std::optional<QuarantineContent> show_quarantine(Connection& as_operator, const RecordPlace& place);

struct PartitionTotals {
  PartitionId id;
  LogEpoch log_epoch;
  Offset first_offset;
  Offset next_offset;
  OwnerEpoch owner_epoch;
  std::string owner;
  std::int64_t accepted = 0;
  std::int64_t duplicate = 0;
  std::int64_t quarantined = 0;
  std::int64_t skipped = 0;
  std::int64_t lost = 0;
  std::int64_t log_unverified = 0;
  Timestamp claimed_at;
  Timestamp updated_at;
  std::optional<LastRecord> last;
  std::optional<Witness> witness;
  bool another_log = false;  ///< the witness told that the broker has another log
};

struct QuarantineCount {
  std::string reason;
  std::string state;
  std::int64_t records = 0;
};

struct DatabaseStatus {
  int schema_version = 0;
  std::vector<PartitionTotals> partitions;  ///< by topic and partition
  std::int64_t chains = 0;
  std::int64_t events = 0;          ///< rows of all chains that are events
  std::int64_t tombstones = 0;      ///< rows of all chains that are tombstones
  std::int64_t late_events = 0;     ///< events of keys that no anomaly rule saw
  std::int64_t open_windows = 0;    ///< windows in which a key was active and that no row has closed yet
  std::int64_t open_anomalies = 0;  ///< not resolved
  std::vector<QuarantineCount> quarantine;
  std::vector<std::string> leaves;
};

/// By topic and partition. Throws LedgerError.
std::vector<PartitionTotals> read_partitions(Connection& as_operator);

/// Whether the event is in the tenant's chain. Throws LedgerError.
bool is_sealed(Connection& as_auditor, const std::string& tenant, const std::string& event_id);

/// All from one snapshot. Throws LedgerError; misconfigured where the database is not migrated.
DatabaseStatus read_status(Connection& as_auditor);

}  // namespace sealstream
