#include "simulation/database.h"

#include <algorithm>
#include <utility>

#include "ingest/sabotage.h"
#include "sealstream/core/event.h"

namespace sealstream::simulation {
namespace {

constexpr milliseconds kClaimPatience{3'000};
constexpr milliseconds kLockPatience{30'000};

std::string partition_lock(int partition) { return "partition " + std::to_string(partition); }
std::string head_lock(std::string_view tenant) { return "head " + std::string(tenant); }

/// The first two of one chain and partition change their places in it; the chain stays one.
void swap_two_of_a_chain(std::vector<StoredRow>& rows) {
  for (std::size_t i = 1; i < rows.size(); ++i) {
    StoredRow &one = rows[i - 1], &other = rows[i];
    if (one.tenant != other.tenant || one.partition != other.partition) continue;
    std::swap(one, other);
    std::swap(one.seq, other.seq);
    std::swap(one.prev_checksum, other.prev_checksum);
    std::swap(one.checksum, other.checksum);
    return;
  }
}

StoredRow stored(const SealedRow& sealed) {
  const Row& row = *sealed.row;
  StoredRow out;
  out.tenant = sealed.tenant;
  out.seq = sealed.seq;
  out.event_id = row.bytes(Column::event_id);
  out.tombstone = row.says(Column::family, name(Family::quarantined));
  out.partition = static_cast<int>(row.int_value(Column::kafka_partition));
  out.offset = Offset(row.int_value(Column::kafka_offset));
  out.prev_checksum = sealed.prev_checksum;
  out.checksum = sealed.checksum;
  std::copy_n(row.bytes(Column::source_digest).begin(), out.digest.size(), out.digest.begin());
  out.key_id = row.bytes(Column::personal_key_id);
  return out;
}

/// Ends with the scope as what the client's end leaves: rolled back, or in the server's hands.
class Open {
 public:
  explicit Open(Database& db) : db_(db) {}
  ~Open() {
    if (!transaction_->ended) db_.abandon(transaction_);
  }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  Transaction& operator*() { return *transaction_; }
  Transaction* operator->() { return transaction_.get(); }

 private:
  Database& db_;
  std::shared_ptr<Transaction> transaction_ = std::make_shared<Transaction>();
};

}  // namespace

void Database::reach(const std::string& what) {
  scheduler.pause(milliseconds(2));
  if (down || faults.strike("the database fails at " + what, 10))
    throw LedgerError(LedgerFault::unavailable, "08006", "", "away");
}

void Database::lock(Transaction& transaction, const std::string& name, milliseconds patience,
                    bool end_holder) {
  if (transaction.ended)
    throw LedgerError(LedgerFault::unavailable, "57P01", "", "the backend was terminated");
  if (transaction.locks.contains(name)) return;
  while (!scheduler.wait(scheduler.now() + patience, [&] { return !locks_.contains(name); })) {
    if (!end_holder) throw LedgerError(LedgerFault::unavailable, "55P03", "", "a lock is held");
    faults.note("a claim ends who holds " + name);
    Transaction& holder = *locks_.at(name);
    if (holder.commit_sent && scheduler.chance(500)) {
      commit(holder);
    } else {
      end(holder);
    }
  }
  locks_[name] = &transaction;
  transaction.locks.insert(name);
}

void Database::commit_offsets(Transaction& transaction) {
  for (const auto& [partition, moved] : std::exchange(transaction.effects.partitions, {})) {
    StoredPartition& row = contents.partitions[partition];
    row.next = mutant("next_offset_off_by_one") ? next(moved.next) : moved.next;
    if (moved.last) row.last = moved.last;
    if (!row.witness) row.witness = moved.witness;
    row.accepted += moved.accepted;
    row.duplicate += moved.duplicate;
    row.quarantined += moved.quarantined;
    row.skipped += moved.skipped;
  }
}

void Database::commit_rows(Transaction& transaction) {
  for (const auto& [tenant, chain] : std::exchange(transaction.effects.chains, {}))
    contents.chains[tenant] = chain;
  for (StoredRow& row : std::exchange(transaction.effects.rows, {})) contents.rows.push_back(std::move(row));
  contents.kept += std::exchange(transaction.effects.kept, 0);
}

void Database::commit(Transaction& transaction) {
  commit_offsets(transaction);
  commit_rows(transaction);
  end(transaction);
}

void Database::end(Transaction& transaction) {
  for (const std::string& name : transaction.locks) locks_.erase(name);
  transaction.locks.clear();
  transaction.ended = true;
}

void Database::abandon(std::shared_ptr<Transaction> transaction) {
  abandoned_.push_back(std::move(transaction));
}

void Database::end_abandoned() {
  for (const auto& transaction : abandoned_) {
    if (transaction->ended) continue;
    if (transaction->commit_sent && scheduler.chance(500)) {
      commit(*transaction);
    } else {
      end(*transaction);
    }
  }
  abandoned_.clear();
}

void Database::fail_over() {
  for (auto& [name, holder] : std::map(locks_)) end(*holder);
  abandoned_.clear();
  ++generation;
  if (snapshot_) contents = *snapshot_;
}

std::optional<Claim> Connection::claim(const PartitionId& id, std::string_view, std::optional<Offset> start) {
  db_.reach("a claim");
  const int partition = id.partition.value();
  Open transaction(db_);
  transaction->commit_sent = true;  // one statement: the server commits it where the client dies
  db_.lock(*transaction, partition_lock(partition), kClaimPatience, true);
  auto row = db_.contents.partitions.find(partition);
  if (row == db_.contents.partitions.end()) {
    if (!start) {
      db_.end(*transaction);
      return std::nullopt;
    }
    row =
        db_.contents.partitions.emplace(partition, StoredPartition{OwnerEpoch(0), *start, *start, {}}).first;
  }
  row->second.owner_epoch = next(row->second.owner_epoch);
  const Claim claim{row->second.log_epoch, row->second.owner_epoch, row->second.next,
                    row->second.last,      row->second.witness,     row->second.another_log};
  db_.end(*transaction);
  db_.reach("the answer to a claim");
  return claim;
}

void Connection::keep_another_log(const PartitionId& id, LogEpoch epoch) {
  db_.reach("another log");
  const int partition = id.partition.value();
  Open transaction(db_);
  transaction->commit_sent = true;
  db_.lock(*transaction, partition_lock(partition), kLockPatience, false);
  StoredPartition& row = db_.contents.partitions.at(partition);
  row.another_log = row.another_log || row.log_epoch == epoch;
  db_.end(*transaction);
  db_.reach("the answer to another log");
}

Prepared Connection::prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) {
  db_.reach("a lookup");
  Prepared prepared;
  for (const std::string_view tenant : tenants) {
    const auto chain = db_.contents.chains.find(std::string(tenant));
    prepared.chains.push_back(chain == db_.contents.chains.end() ? ChainState{} : chain->second);
  }
  for (const IdQuery& query : ids) {
    auto& found = prepared.stored.emplace_back();
    for (const StoredRow& row : db_.contents.rows) {
      if (row.tenant == query.tenant && row.event_id == query.id)
        found = StoredEvent{row.seq, row.digest, row.key_id};
    }
  }
  return prepared;
}

std::vector<std::optional<StoredPosition>> Connection::positions(std::span<const PartitionId> ids) {
  db_.reach("a look at the positions");
  std::vector<std::optional<StoredPosition>> positions;
  for (const PartitionId& id : ids) {
    const auto row = db_.contents.partitions.find(id.partition.value());
    auto& position = positions.emplace_back();
    if (row != db_.contents.partitions.end()) position = {row->second.log_epoch, row->second.next};
  }
  return positions;
}

std::vector<AnomalyCount> Connection::commit(const WriteSet& writes) {
  db_.reach("BEGIN");
  const int generation = db_.generation;
  Open transaction(db_);
  const auto fail = [&](LedgerFault fault, const char* sqlstate) {
    db_.end(*transaction);
    throw LedgerError(fault, sqlstate, "", "refused by the database");
  };
  const auto lost = [&] { return transaction->ended || db_.generation != generation; };
  try {
    write(*transaction, writes);
  } catch (const LedgerError&) {
    db_.end(*transaction);
    throw;
  }
  if (db_.down || lost() || db_.faults.strike("the connection breaks before COMMIT", 10))
    fail(LedgerFault::unavailable, "08006");
  transaction->commit_sent = true;
  db_.scheduler.pause(milliseconds(4));
  if (lost()) throw LedgerError(LedgerFault::in_doubt, "", "", "no answer to COMMIT");
  if (db_.faults.strike("the connection breaks during COMMIT", 20))
    throw LedgerError(LedgerFault::in_doubt, "", "", "no answer to COMMIT");
  if (mutant("rows_before_offsets")) {
    db_.commit_rows(*transaction);
    db_.scheduler.pause(milliseconds(4));
  }
  db_.commit(*transaction);
  if (transaction->misplaced) throw LedgerError(LedgerFault::head_conflict, "SL001", "", "head conflict");
  if (db_.faults.strike("the answer to COMMIT is lost", 20))
    throw LedgerError(LedgerFault::in_doubt, "", "", "no answer to COMMIT");
  return {};
}

/// hold, COPY, heads, positions: what the guards of the real transaction look at, in its order.
void Connection::write(Transaction& transaction, const WriteSet& writes) {
  std::vector<const PartitionMove*> moves;
  for (const PartitionMove& move : writes.partitions) moves.push_back(&move);
  std::sort(moves.begin(), moves.end(),
            [](const auto* one, const auto* other) { return one->id < other->id; });
  for (const PartitionMove* move : moves) {
    const int partition = move->id.partition.value();
    db_.lock(transaction, partition_lock(partition), kLockPatience, false);
    const auto row = db_.contents.partitions.find(partition);
    const bool ours = row != db_.contents.partitions.end() && row->second.owner_epoch == move->owner_epoch &&
                      row->second.next == move->from;
    if (!ours && !mutant("no_fence")) throw LedgerError(LedgerFault::fenced, "SL002", "", "fenced");
    StoredPartition& moved = transaction.effects.partitions[partition];
    moved = {move->owner_epoch, move->from,      move->to,          move->last,
             move->accepted,    move->duplicate, move->quarantined, move->skipped};
    moved.witness = move->witness;
  }
  if (mutant("offsets_before_rows")) db_.commit_offsets(transaction);
  db_.scheduler.pause(milliseconds(db_.faults.strike("a COPY takes long", 20) ? 15'000 : 5));
  if (transaction.ended)
    throw LedgerError(LedgerFault::unavailable, "57P01", "", "the backend was terminated");
  for (const SealedRow& sealed : writes.rows) {
    StoredRow row = stored(sealed);
    if (db_.poisonous_ids.contains(row.event_id))
      throw LedgerError(LedgerFault::row, "22000", "", "a poisonous row");
    const auto same = [&](const StoredRow& other) {
      return other.tenant == row.tenant && other.event_id == row.event_id;
    };
    const bool there = std::any_of(db_.contents.rows.begin(), db_.contents.rows.end(), same);
    if (there && !mutant("no_unique_ids"))
      throw LedgerError(LedgerFault::duplicate, "23505", "", "duplicate");
    transaction.effects.rows.push_back(std::move(row));
  }
  std::map<std::string_view, const HeadMove*> heads;
  for (const HeadMove& move : writes.heads) heads[move.tenant] = &move;
  for (const auto& [tenant, move] : heads) {
    db_.lock(transaction, head_lock(tenant), kLockPatience, false);
    const auto chain = db_.contents.chains.find(std::string(tenant));
    const Head head = chain == db_.contents.chains.end() ? Head{} : chain->second.head;
    const bool misplaced = !(head == move->before) && !mutant("no_head_check");
    if (misplaced && !mutant("row_count_read_after_commit"))
      throw LedgerError(LedgerFault::head_conflict, "SL001", "", "head conflict");
    transaction.misplaced = transaction.misplaced || misplaced;
    transaction.effects.chains[std::string(tenant)] = {move->after, move->clock};
  }
  transaction.effects.kept = std::ssize(writes.quarantine);
  if (mutant("two_records_swapped")) swap_two_of_a_chain(transaction.effects.rows);
}

}  // namespace sealstream::simulation
