// The port to the database: what ingest needs of PostgreSQL. Implemented by postgres/ledger.h, and by a fake
// in the tests. The guarantees are those of the one transaction: all of a batch is in, once and under the
// claimed epoch, or nothing is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/chain.h"
#include "sealstream/core/error.h"
#include "sealstream/core/key_windows.h"
#include "sealstream/core/record.h"
#include "sealstream/core/secrets.h"
#include "sealstream/ingest/options.h"

namespace sealstream {

/// Why the database did not do what was asked, by what the lane does next. Decided by SQLSTATE and constraint
/// name alone.
enum class LedgerFault : std::uint8_t {
  head_conflict,  ///< another writer moved a tenant's head: reload heads, seal again
  fenced,         ///< another owner claimed a partition of the batch: drop it
  duplicate,      ///< an event id is in the ledger already: look ids up, seal the rest again
  row,            ///< one row cannot be stored: find it, quarantine it
  ours,           ///< a constraint that no record can violate: not ready, keep the batch
  unavailable,    ///< the server is away, full, busy or read-only: keep the batch, try again
  misconfigured,  ///< rights, database or schema are not what they must be: not ready, try again slowly
  in_doubt,       ///< COMMIT was sent and no answer came: claim to learn what happened
};

/// The database refused or was lost. Nothing of the call took effect, but for in_doubt. The connection is
/// usable again or is opened anew by the next call.
class LedgerError : public std::runtime_error {
 public:
  LedgerError(LedgerFault fault, std::string sqlstate, std::string constraint, const std::string& message)
      : std::runtime_error(message),
        fault_(fault),
        sqlstate_(std::move(sqlstate)),
        constraint_(std::move(constraint)) {}
  LedgerFault fault() const { return fault_; }
  const std::string& sqlstate() const { return sqlstate_; }      ///< empty where the server did not answer
  const std::string& constraint() const { return constraint_; }  ///< empty where none was violated

 private:
  LedgerFault fault_;
  std::string sqlstate_;
  std::string constraint_;
};

/// The last record of a partition whose effect is committed: what the log must still hold there.
struct LastRecord {
  Offset offset;
  SourceDigest digest;  ///< with 32 zero bytes as the key
};

/// What a claim returns: from now on commits under any lower epoch write nothing.
struct Claim {
  LogEpoch log_epoch;
  OwnerEpoch owner_epoch;
  Offset next_offset;
  std::optional<LastRecord> last;
  std::optional<Witness> witness{};  ///< of this log epoch
  bool another_log = false;          ///< keep_another_log was called in this log epoch
};

/// Where a partition stands, as it is committed.
struct StoredPosition {
  LogEpoch log_epoch;
  Offset next_offset;
  friend auto operator<=>(const StoredPosition&, const StoredPosition&) = default;
};

/// An event id to look up, in every leaf that ends after `since`.
struct IdQuery {
  std::string_view tenant;
  std::string_view id;
  Timestamp since;
};

/// An event that is in the ledger.
struct StoredEvent {
  Seq seq;
  SourceDigest digest;
  std::string personal_key_id;  ///< the key entry that `digest` was made with
};

/// Where a tenant stands: what its next row builds on.
struct ChainState {
  Head head;
  KeyClock clock;
  friend bool operator==(const ChainState&, const ChainState&) = default;
};

struct Prepared {
  std::vector<ChainState> chains;  ///< in the order asked; the default where the tenant has no row
  std::vector<std::optional<StoredEvent>> stored;  ///< in the order asked
};

/// One row, sealed. Borrows from the batch.
struct SealedRow {
  std::string_view tenant;
  Seq seq;
  const Row* row;
  Checksum prev_checksum;
  Checksum checksum;
};

/// A tenant's head moves from `before` to `after`, or the commit raises head_conflict.
struct HeadMove {
  std::string_view tenant;
  Head before;
  Head after;
  std::int64_t events = 0;       ///< rows of this batch that are events
  std::int64_t quarantined = 0;  ///< rows of this batch that are tombstones
  std::int64_t late_events = 0;  ///< events of keys that came after their minute had closed
  KeyClock clock;                ///< after the batch
};

/// A row moved its tenant's watermark so that windows of keys close (schemas/read-models.md).
struct WindowStep {
  std::string_view tenant;
  Closing closing;
  Seq seq;                   ///< the row
  Timestamp recorded_since;  ///< no row of those minutes was recorded before
};

/// A partition's position moves from `from` to `to`, or the commit raises fenced.
/// to − from = accepted + duplicate + quarantined + skipped.
struct PartitionMove {
  PartitionId id;
  OwnerEpoch owner_epoch;
  Offset from;
  Offset to;
  std::int64_t accepted = 0;
  std::int64_t duplicate = 0;
  std::int64_t quarantined = 0;
  std::int64_t skipped = 0;
  std::int64_t log_unverified = 0;
  std::optional<LastRecord>
      last;  ///< absent where the batch holds no record of the partition: the stored one stays
  std::optional<Witness> witness{};  ///< stored where the log epoch has none yet
};

/// A refused record as it is kept.
struct QuarantineRow {
  PartitionId id;
  LogEpoch log_epoch;
  Offset offset;
  Timestamp kafka_timestamp;
  KeptRecord kept;
  Refusal refusal;
  std::string sqlstate;    ///< of db_rejected, else empty
  std::string constraint;  ///< of db_rejected, else empty
  std::string tenant;      ///< whose chain holds the tombstone
};

/// What one transaction writes. Rows of one tenant stand in the order of their seq.
struct WriteSet {
  std::vector<SealedRow> rows;
  std::vector<HeadMove> heads;
  std::vector<PartitionMove> partitions;
  std::vector<QuarantineRow> quarantine;
  std::vector<WindowStep> steps;  ///< of each tenant in the order of its rows
};

/// Anomalies that a commit found, of one type and severity.
struct AnomalyCount {
  std::string type;
  std::string severity;
  std::int64_t found = 0;
};

/// One connection to the database, used by one thread. Opens its connection when it is first needed and again
/// after a loss. Every wait has a deadline and calls the tick given at its making. All calls throw
/// LedgerError.
class Ledger {
 public:
  virtual ~Ledger() = default;

  /// Takes the partition over: its epoch rises, and whoever held it can commit nothing any more. A holder
  /// that is frozen in a transaction is ended. Where the partition has no row yet: makes it with `start` as
  /// its first and next offset, or returns nothing and writes nothing where `start` is absent.
  virtual std::optional<Claim> claim(const PartitionId& id, std::string_view owner,
                                     std::optional<Offset> start) = 0;

  /// Keeps that the broker's log is not the one that was read as `epoch`: claims say so until an operator
  /// moves on; where one has, nothing is written. It is a fact whoever holds the partition.
  virtual void keep_another_log(const PartitionId& id, LogEpoch epoch) = 0;

  /// One round trip: where the chains of `tenants` stand, and which of `ids` are in the ledger.
  virtual Prepared prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) = 0;

  /// Writes all of `writes` and what is derived from it in one transaction. Makes the leaf of a row where it
  /// is missing. Returns the anomalies of keys that the batch brought to light.
  virtual std::vector<AnomalyCount> commit(const WriteSet& writes) = 0;

  /// Makes the leaves from the month of `now` up to `months_ahead` later.
  virtual void ensure_leaves(Timestamp now, int months_ahead) = 0;

  /// Whether the database can be written, and its schema version is right. Returns nothing, or throws.
  virtual void check() = 0;

  /// Where partitions stand, in the order asked; nothing for one that the database does not know.
  virtual std::vector<std::optional<StoredPosition>> positions(std::span<const PartitionId> partitions) = 0;
};

/// Makes the Ledger of one thread; `tick` is called while it waits, at least once a second. No answer of the
/// server is waited for longer than `patience`.
using LedgerFactory =
    std::function<std::unique_ptr<Ledger>(std::function<void()> tick, milliseconds patience)>;

}  // namespace sealstream
