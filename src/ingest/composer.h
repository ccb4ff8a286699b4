// From a lane's entries to what one transaction writes: which are duplicates, which join a chain, and under
// which head.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ingest/batch.h"
#include "ingest/recent_ids.h"
#include "sealstream/core/chain.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/options.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Used by one lane's thread. Keeps the heads of the tenants that it wrote, which are right as long as nobody
/// else writes them: the commit finds out, and forget_heads makes the next composition read them again.
class Composer {
 public:
  Composer(const IngestOptions& options, const Keyring& keyring, Probe& probe);

  /// Fills in what follows from a fresh entry's record alone: its source digest, key id and commitment, and
  /// the hash of its id.
  void identify(Entry& entry);

  /// The digest that audit.partitions keeps of a partition's last record.
  SourceDigest anchor_digest(const Record& record) { return sealer_.source_digest(nullptr, {}, record); }

  /// Decides each entry's fate and seals those that go into the ledger. At most two round trips: the heads
  /// that are not known, and the ids that must be looked up. The result borrows from `entries`. May be called
  /// again for the same entries after a failed commit. Throws LedgerError.
  WriteSet compose(std::span<Entry> entries, Ledger& ledger);

  /// The last composition of `entries` is committed: its heads are the heads.
  void committed(std::span<Entry> entries, const WriteSet& writes);

  /// Another writer moved a head, or the connection was lost: heads are read again.
  void forget_heads();

  /// The ledger refused a batch for an id that it holds: look up all ids for a while.
  void expect_duplicates() { lookup_batches_left_ = options_.lookup_batches_after_violation; }

 private:
  struct KnownHead {
    std::optional<ChainState> chain;  ///< absent: to be read again
    PartitionId seen_in;              ///< the last partition that the tenant was written from
  };
  /// A tenant with records in the batch that is composed.
  struct Tenant {
    std::string_view name;
    KnownHead* known;
    Timestamp recorded_at;            ///< of its last row so far: it never falls, also within the batch
    std::optional<std::size_t> move;  ///< its place in WriteSet::heads, once a row of it is sealed
  };
  struct Stored {
    SourceDigest digest;
    std::string_view key_id;
  };
  using StoredEvents = std::unordered_map<const Entry*, StoredEvent>;

  void name_tenants(std::span<Entry> entries);
  void fetch(std::span<Entry> entries, Ledger& ledger, StoredEvents& stored);
  bool must_look_up(const Entry& entry, Timestamp recorded_at) const;
  void settle(std::span<Entry> entries, const StoredEvents& stored);
  void settle_against(Entry& entry, const Stored& stored, bool within_batch);
  bool same_content(const Entry& entry, const Stored& stored);
  WriteSet seal_all(std::span<Entry> entries);
  void seal(Entry& entry, WriteSet& writes);
  void note_partition(KnownHead& known, const PartitionId& id);

  const IngestOptions& options_;
  const Keyring& keyring_;
  Probe& probe_;
  Sealer sealer_;
  RecentIds recent_;
  std::unordered_map<std::string, KnownHead> heads_;
  std::vector<Tenant> tenants_;  ///< of the batch, by Entry::tenant
  int lookup_batches_left_ = 0;
};

}  // namespace sealstream
