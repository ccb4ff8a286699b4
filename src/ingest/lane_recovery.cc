// What a lane does when the database refuses a batch: the classification table of the delivery design, one
// case a row.
#include <algorithm>

#include "ingest/lane.h"
#include "ingest/sabotage.h"

namespace sealstream {
namespace {

std::string_view name(LedgerFault fault) {
  switch (fault) {
    case LedgerFault::head_conflict:
      return "head_conflict";
    case LedgerFault::fenced:
      return "fenced";
    case LedgerFault::duplicate:
      return "duplicate";
    case LedgerFault::row:
      return "row";
    case LedgerFault::ours:
      return "ours";
    case LedgerFault::unavailable:
      return "unavailable";
    case LedgerFault::misconfigured:
      return "misconfigured";
    case LedgerFault::in_doubt:
      return "in_doubt";
  }
  return "unknown";
}

}  // namespace

Lane::Next Lane::recover(const LedgerError& error, std::span<Entry> entries, const WriteSet& writes,
                         FlushReason reason) {
  probe_.batch_failed(reason, name(error.fault()));
  switch (error.fault()) {
    case LedgerFault::head_conflict:
      probe_.head_conflict();
      if (!mutant("head_reused_after_rollback")) composer_.forget_heads();
      back_off(milliseconds::zero());
      return Next::again;
    case LedgerFault::fenced:
      recover_fenced();
    case LedgerFault::duplicate:
      composer_.expect_duplicates();
      return Next::again;
    case LedgerFault::row:
      return recover_row(error, entries, reason);
    case LedgerFault::in_doubt:
      return recover_in_doubt(entries, writes, reason);
    case LedgerFault::ours:
    case LedgerFault::unavailable:
    case LedgerFault::misconfigured:
      composer_.forget_heads();
      wait_for_database(error);
      return Next::again;
  }
  return Next::again;
}

/// Halves the batch until the row at fault is alone; its neighbours land, each half a batch of its own.
Lane::Next Lane::recover_row(const LedgerError& error, std::span<Entry> entries, FlushReason reason) {
  if (entries.size() > 1) {
    const std::size_t half = entries.size() / 2;
    write(entries.first(half), reason);
    if (!mutant("neighbours_dropped")) write(entries.subspan(half), reason);
    return Next::finished;
  }
  Entry& entry = entries.front();
  const bool is_a_tombstone = entry.refused && !entry.refused->only_within_batch;
  if (!entry.fetched || is_a_tombstone) {  // nothing of the record is left in the row: the fault is ours
    wait_for_database(error);
    return Next::again;
  }
  refuse(entry, {Reason::db_rejected, "",
                 "The database cannot store this event; its SQLSTATE and constraint are kept beside it in "
                 "quarantine."});
  entry.refused->sqlstate = error.sqlstate();
  entry.refused->constraint = error.constraint();
  composer_.identify(entry);
  return Next::again;
}

/// COMMIT was sent and nobody answered. A claim waits for, or ends, the transaction, so what it returns is
/// final.
Lane::Next Lane::recover_in_doubt(std::span<Entry> entries, const WriteSet& writes, FlushReason reason) {
  composer_.forget_heads();
  bool all_before = true;
  bool all_behind = true;
  std::vector<std::pair<OpenPartition*, Claim>> claims;
  for (const PartitionMove& move : writes.partitions) {
    const Claim claimed = claim(move.id);
    all_before = all_before && claimed.next_offset == move.from;
    all_behind = all_behind && claimed.next_offset == move.to;
    claims.emplace_back(find(move.id.topic, move.id.partition), claimed);
  }
  if (!all_before && !all_behind) {
    probe_.in_doubt("moved_on");
    recover_fenced();
  }
  for (const auto& [partition, claimed] : claims) partition->claim.owner_epoch = claimed.owner_epoch;
  probe_.in_doubt(all_behind ? "committed" : "not_committed");
  if (!all_behind) return Next::again;
  committed(entries, writes, reason);
  return Next::finished;
}

/// The batch is dropped, and every partition of this lane that has a record in it is claimed again and read
/// from where the claim says. The whole batch, not only the part that was being written: what lies behind a
/// hole must not be written.
void Lane::recover_fenced() {
  composer_.forget_heads();
  const auto now = runtime_.now();
  std::erase_if(fences_, [&](Deadline at) { return now - at > std::chrono::minutes(1); });
  fences_.push_back(now);
  if (static_cast<int>(fences_.size()) == options_.fences_per_minute_alarm) probe_.fence_alarm(index_);
  back_off(
      options_.fence_patience);  // if the partitions are no longer ours, the group thread says so meanwhile

  std::vector<OpenPartition*> touched;
  for (const Entry& entry : entries_) {
    if (std::find(touched.begin(), touched.end(), entry.partition) == touched.end())
      touched.push_back(entry.partition);
  }
  for (OpenPartition* partition : touched) {
    probe_.fenced(partition->id);
    restart(*partition, mutant("not_claimed_after_a_fence") ? partition->claim : claim(partition->id));
  }
  throw Abandoned{};
}

void Lane::restart(OpenPartition& partition, const Claim& claim) {
  const bool same_log = claim.log_epoch == partition.claim.log_epoch;
  if (same_log && claim.next_offset < partition.claim.next_offset) {
    probe_.commits_lost(partition.id, claim.next_offset);
  }
  partition.ask_due = false;
  partition.another_log_due = partition.another_log_due && same_log;
  partition.claim = claim;
  partition.claim.another_log = claim.another_log || partition.another_log_due;
  partition.position = Position(partition.claim, partition.gaps_are_loss);
  begin(partition);
  seek(partition);
}

Claim Lane::claim(const PartitionId& id) {
  for (;;) {
    throw_if_abandoned();
    try {
      const auto claimed = claim_or_begin(*ledger_, id, options_.owner, false,
                                          [&] { return stream_.extent(id, options_.extent_timeout); });
      if (claimed) {
        probe_.claimed("ok");
        database_is(true, "");
        return *claimed;
      }
      back_off(options_.claim_retry);
    } catch (const LedgerError& error) {
      probe_.claimed(name(error.fault()));
      wait_for_database(error);
    }
  }
}

void Lane::wait_for_database(const LedgerError& error) {
  probe_.database_failed(error.sqlstate(), error.what());
  database_is(false, error.what());
  const bool mends_itself =
      error.fault() == LedgerFault::unavailable || error.fault() == LedgerFault::in_doubt;
  const auto begin = runtime_.now();
  back_off(mends_itself ? milliseconds::zero() : options_.backoff_last);
  const std::chrono::duration<double> waited = runtime_.now() - begin;
  probe_.backpressure(waited.count());
}

void Lane::throw_if_abandoned() const {
  const std::optional<CloseCommand> close = closing_ ? closing_ : mailbox_.next_close();
  if (close && (close->drop || runtime_.now() >= close->deadline)) throw Abandoned{};
}

/// Waits with jitter, twice as long as the last time until a commit succeeds; returns early when the group
/// thread says something.
void Lane::back_off(milliseconds at_least) {
  throw_if_abandoned();
  const milliseconds longest = std::max(backoff_, at_least);
  backoff_ = std::min(backoff_ * 2, options_.backoff_last);
  std::uniform_int_distribution<milliseconds::rep> spread(longest.count() / 2, longest.count());
  Deadline until = runtime_.now() + milliseconds(spread(jitter_));
  if (closing_) until = std::min(until, closing_->deadline);
  tick();
  mailbox_.wait(until);
  tick();
  throw_if_abandoned();
}

std::optional<Claim> claim_or_begin(Ledger& ledger, const PartitionId& id, const std::string& owner,
                                    bool at_end, const std::function<std::optional<Extent>()>& extent) {
  if (const auto claimed = ledger.claim(id, owner, std::nullopt)) return claimed;
  const std::optional<Extent> log = extent();
  if (!log) return std::nullopt;
  return ledger.claim(id, owner, at_end ? log->end : log->start);
}

}  // namespace sealstream
