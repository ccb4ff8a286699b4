// A simulated PostgreSQL: the guards, locks and outcomes of the one transaction. A transaction whose client
// died or lost its connection goes on to hold its locks, and commits or not, until somebody ends it.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sealstream/ingest/ledger.h"
#include "simulation/faults.h"

namespace sealstream::simulation {

struct StoredRow {
  std::string tenant;
  Seq seq;
  std::string event_id;
  bool tombstone = false;
  int partition = 0;
  Offset offset;
  Checksum prev_checksum{};
  Checksum checksum{};
  SourceDigest digest{};
  std::string key_id;
};

struct StoredPartition {
  OwnerEpoch owner_epoch;
  Offset first;
  Offset next;
  std::optional<LastRecord> last;
  std::int64_t accepted = 0, duplicate = 0, quarantined = 0, skipped = 0;
  LogEpoch log_epoch{0};
  std::optional<Witness> witness{};
  bool another_log = false;
};

/// What a failover may turn back.
struct Contents {
  std::map<int, StoredPartition> partitions;
  std::map<std::string, ChainState> chains;
  std::vector<StoredRow> rows;
  std::int64_t kept = 0;  ///< rows of the quarantine
};

/// A transaction that holds locks.
struct Transaction {
  Contents effects;  ///< partitions, chains and rows that it writes
  std::set<std::string> locks;
  bool commit_sent = false;
  bool ended = false;      ///< committed, rolled back, or its backend was terminated
  bool misplaced = false;  ///< a mutant wrote on a head that had moved
};

class Database {
 public:
  Database(Scheduler& scheduler, Faults& faults) : scheduler(scheduler), faults(faults) {}

  /// Throws `unavailable` where the server is away.
  void reach(const std::string& what);
  /// Waits for the lock; ends the holder after `patience`, or throws where it may not.
  void lock(Transaction& transaction, const std::string& name, milliseconds patience, bool end_holder);
  void commit(Transaction& transaction);
  // Its two halves, which only mutants take apart.
  void commit_offsets(Transaction& transaction);
  void commit_rows(Transaction& transaction);
  void end(Transaction& transaction);
  /// The client is gone: the server decides.
  void abandon(std::shared_ptr<Transaction> transaction);
  void end_abandoned();
  /// Goes back to what was there at the last snapshot; all connections break.
  void fail_over();
  void take_snapshot() { snapshot_ = contents; }

  Scheduler& scheduler;
  Faults& faults;
  Contents contents;
  bool down = false;
  int generation = 0;  ///< rises with a failover
  std::set<std::string> poisonous_ids;

 private:
  std::map<std::string, Transaction*> locks_;
  std::list<std::shared_ptr<Transaction>> abandoned_;
  std::optional<Contents> snapshot_;
};

/// A connection.
class Connection : public Ledger {
 public:
  explicit Connection(Database& database) : db_(database) {}

  std::optional<Claim> claim(const PartitionId& id, std::string_view owner,
                             std::optional<Offset> start) override;
  void keep_another_log(const PartitionId& id, LogEpoch epoch) override;
  Prepared prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) override;
  std::vector<AnomalyCount> commit(const WriteSet& writes) override;
  void ensure_leaves(Timestamp, int) override { db_.reach("leaves"); }
  void check() override { db_.reach("a check"); }
  std::vector<std::optional<StoredPosition>> positions(std::span<const PartitionId> ids) override;

 private:
  void write(Transaction& transaction, const WriteSet& writes);

  Database& db_;
};

}  // namespace sealstream::simulation
