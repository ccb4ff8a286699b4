#include "ingest/lane.h"

#include <algorithm>
#include <utility>

#include "ingest/batch_report.h"
#include "ingest/sabotage.h"
#include "ingest/stage_timer.h"
#include "ingest/wall_clock.h"

namespace sealstream {

Lane::Lane(std::size_t index, const IngestOptions& options, const Keyring& keyring, RecordStream& stream,
           const LedgerFactory& ledgers, Probe& probe, Runtime& runtime)
    : index_(index),
      options_(options),
      stream_(stream),
      probe_(probe),
      runtime_(runtime),
      ledger_(ledgers([this] { tick(); }, options.lane_database_patience)),
      composer_(options, keyring, probe),
      batch_rows_(options.batch_rows),
      batch_rows_backlog_(options.batch_rows_backlog),
      batch_bytes_(options.batch_bytes),
      target_rows_(options.batch_rows),
      backoff_(options.backoff_first),
      jitter_(runtime.seed()) {
  tick();
}

void Lane::run() {
  for (;;) {
    tick();
    while (auto command = mailbox_.take()) {
      const bool go_on = carry_out(std::move(*command));
      mailbox_.done();
      if (!go_on) return;
    }
    const FlushReason reason = fill();
    const bool told_something = reason == FlushReason::revoke;  // a close says itself whether to flush
    if (!entries_.empty() && !told_something) flush(reason);
  }
}

bool Lane::carry_out(Command command) {
  if (auto* opened = std::get_if<OpenCommand>(&command)) open(*opened);
  if (auto* closed = std::get_if<CloseCommand>(&command)) close(*closed);
  return !std::holds_alternative<FinishCommand>(command);
}

void Lane::open(OpenCommand& command) {
  for (auto& [id, claim] : command.partitions) {
    probe_.partition_assigned(id, claim.next_offset);
    partitions_.push_back(std::make_unique<OpenPartition>(id, claim, gaps_are_loss(id.topic)));
    begin(*partitions_.back());
  }
  publish();
}

void Lane::close(const CloseCommand& command) {
  closing_ = command;
  if (!entries_.empty() && !command.drop && !mutant("batch_dropped_on_revoke")) {
    crash_point("before_last_flush");
    flush(command.reason);
    crash_point("after_last_flush");
  }
  closing_.reset();
  give_up(command);
  entries_.clear();
  bytes_ = 0;
  for (const auto& partition : partitions_) probe_.partition_released(partition->id);
  partitions_.clear();
  composer_.forget_heads();
  database_is(true, "");
  publish();
}

FlushReason Lane::fill() {
  for (;;) {
    tick();
    if (anything_due_) do_what_is_due();
    if (entries_.size() >= target_rows_) return FlushReason::rows;
    if (bytes_ >= batch_bytes_) return FlushReason::bytes;
    if (mailbox_.pending()) return FlushReason::revoke;
    const milliseconds wait = entries_.empty() ? options_.poll_interval : left_to_linger();
    std::optional<Delivery> delivery = unread_ ? std::exchange(unread_, std::nullopt) : stream_.next(wait);
    if (delivery && mailbox_.pending()) {  // perhaps the first of a partition whose open waits in the mailbox
      unread_ = std::move(delivery);
      return FlushReason::revoke;
    }
    if (delivery) {
      std::visit([this](auto&& arrived) { arrive(std::move(arrived)); }, std::move(*delivery));
    } else if (entries_.empty() || wait == milliseconds::zero()) {
      return FlushReason::linger;
    }
    if (!entries_.empty() && runtime_.now() - first_at_ >= options_.batch_age) return FlushReason::linger;
  }
}

milliseconds Lane::left_to_linger() const {
  const auto linger = first_at_ - flushed_at_ >= options_.linger ? milliseconds::zero() : options_.linger;
  const auto left = std::chrono::ceil<milliseconds>(first_at_ + linger - runtime_.now());
  return std::max(left, milliseconds::zero());
}

bool Lane::gaps_are_loss(const std::string& topic) const {
  const auto& compacted = options_.compacted_topics;
  return std::find(compacted.begin(), compacted.end(), topic) != compacted.end();
}

OpenPartition* Lane::find(std::string_view topic, Partition partition) {
  for (const auto& open : partitions_) {
    if (open->id.partition == partition && open->id.topic == topic) return open.get();
  }
  return nullptr;
}

void Lane::arrive(FetchedRecord fetched) {
  crash_point("after_poll");
  OpenPartition* partition = find(fetched.record.topic, fetched.record.partition);
  if (partition == nullptr || partition->waits()) return;
  fetched.record.log_epoch = partition->claim.log_epoch;
  Position& position = partition->position;
  const bool uncommitted = fetched.record.offset >= position.next();
  if (uncommitted && !fetched.log_append_time && !options_.accept_create_time && !position.halted()) {
    act(*partition, position.halt(HaltCause::create_time));
    return;
  }
  const Offset expected = position.next();
  const bool was_verifying = position.verifying();
  const Step step =
      position.record(fetched.record.offset, [&] { return composer_.anchor_digest(fetched.record); });
  if (was_verifying != position.verifying()) publish();
  if (step != Step::take) {
    act(*partition, step);
    return;
  }
  if (fetched.record.offset > expected) probe_.gap("control", distance(expected, fetched.record.offset));
  add(*partition, std::move(fetched));
}

void Lane::arrive(const EndReached& end) {
  OpenPartition* partition = find(end.id.topic, end.id.partition);
  if (partition == nullptr || partition->waits()) return;
  const Offset expected = partition->position.next();
  const Step step = partition->position.end(end.end);
  if (step != Step::take) {
    act(*partition, step);
    return;
  }
  probe_.gap("lag_end", distance(expected, end.end));
  if (entries_.empty()) first_at_ = runtime_.now();
  entries_.push_back(
      {.partition = partition, .next = end.end, .fetched = {}, .event = {}, .refused = {}, .redactions = {}});
}

void Lane::arrive(const OutOfRange& out_of_range) {
  OpenPartition* partition = find(out_of_range.id.topic, out_of_range.id.partition);
  if (partition != nullptr && !partition->waits()) act(*partition, partition->position.out_of_range());
}

/// What was said of an earlier log of the partition says nothing of this one.
void Lane::arrive(const AnotherLog& another_log) {
  OpenPartition* partition = find(another_log.id.topic, another_log.id.partition);
  if (partition != nullptr && partition->claim.witness == another_log.witness) {
    act(*partition, partition->position.another_log());
    partition->another_log_due = !mutant("another_log_not_kept");
    anything_due_ = true;
  }
}

/// What was claimed is read, and watched; or halted again.
void Lane::begin(OpenPartition& partition) {
  if (partition.position.halted()) act(partition, Step::halt);
  watch(partition);
}

void Lane::watch(const OpenPartition& partition) {
  if (!mutant("witness_not_asked")) stream_.watch(partition.id, partition.claim.witness);
}

void Lane::add(OpenPartition& partition, FetchedRecord fetched) {
  if (!partition.claim.witness && fetched.log_append_time) {
    partition.claim.witness = Witness{fetched.record.offset, fetched.record.timestamp};
    watch(partition);
  }
  if (entries_.empty()) first_at_ = runtime_.now();
  bytes_ += size_of(fetched.record);
  Entry& entry = entries_.emplace_back(Entry{.partition = &partition,
                                             .next = sealstream::next(fetched.record.offset),
                                             .fetched = std::move(fetched),
                                             .event = {},
                                             .refused = {},
                                             .redactions = {}});
  crash_point("mid_decode");
  Result<Event> decoded = decoder_.decode(entry.record());
  if (decoded) {
    entry.event = std::move(decoded.value());
    const auto redactions = decoder_.redactions();
    if (std::any_of(redactions.begin(), redactions.end(), [](auto hits) { return hits > 0; })) {
      entry.redactions.assign(redactions.begin(), redactions.end());
    }
  } else {
    refuse(entry, std::move(decoded.refusal()));
  }
  composer_.identify(entry);
}

void Lane::act(OpenPartition& partition, Step step) {
  switch (step) {
    case Step::take:
    case Step::drop:
      return;
    case Step::seek:
      return seek(partition);
    case Step::ask:
      return ask(partition);
    case Step::wait:
      partition.ask_due = anything_due_ = true;
      next_retry_ = runtime_.now() + options_.claim_retry;
      return;
    case Step::halt: {
      const Position& position = partition.position;
      if (position.missed() > 0) probe_.missed(position.cause(), position.missed());
      probe_.halted(partition.id, position.cause(),
                    halt_sentence(position.cause(), partition.id, position.next()));
      publish();
    }
  }
}

void Lane::ask(OpenPartition& partition) {
  const std::optional<Extent> extent = stream_.extent(partition.id, options_.extent_timeout);
  tick();
  const Step step = extent ? partition.position.answer(*extent) : partition.position.no_answer();
  if (partition.position.take_unverified()) {
    ++partition.log_unverified;
    probe_.log_unverified(partition.id);
    publish();
  }
  if (step == Step::wait) {
    probe_.kafka_error("log_seems_cut", cut_sentence(partition.id, extent, partition.position.next()));
  }
  act(partition, step);
}

/// Of a partition of which nothing is in hand.
void Lane::ask_again(OpenPartition& partition) {
  partition.ask_due = false;
  if (partition.position.halted()) return;
  partition.position.verify_again(partition.claim.last);
  publish();
  ask(partition);
}

bool Lane::is_in_hand(const OpenPartition& partition) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.partition == &partition; });
}

void Lane::seek(OpenPartition& partition) {
  try {
    stream_.seek(partition.id, partition.position.fetch_from());
    partition.seek_due = false;
  } catch (const SourceError& error) {
    probe_.kafka_error("seek", error.what());
    partition.seek_due = anything_due_ = true;
    next_retry_ = runtime_.now() + options_.claim_retry;
  }
}

/// Else a later claim would find only the other log's records, once its retention has taken what the witness
/// contradicts. False where the database does not take it.
bool Lane::keep_another_log(OpenPartition& partition) {
  try {
    ledger_->keep_another_log(partition.id, partition.claim.log_epoch);
    partition.another_log_due = false;
    database_is(true, "");
    return true;
  } catch (const LedgerError& error) {
    probe_.database_failed(error.sqlstate(), error.what());
    database_is(false, error.what());
    return false;
  }
}

void Lane::do_what_is_due() {
  if (runtime_.now() < next_retry_) return;
  next_retry_ = runtime_.now() + options_.claim_retry;
  anything_due_ = false;
  bool kept = true;
  for (const auto& partition : partitions_) {
    if (mailbox_.pending()) {  // it may not wait for answers of a broker
      anything_due_ = true;
      return;
    }
    if (partition->seek_due) seek(*partition);
    if (partition->ask_due && !is_in_hand(*partition)) ask_again(*partition);
    anything_due_ = anything_due_ || partition->ask_due;
    if (partition->another_log_due) kept = kept && keep_another_log(*partition);
  }
  anything_due_ = anything_due_ || !kept;
}

void Lane::flush(FlushReason reason) {
  const std::chrono::duration<double> filled = runtime_.now() - first_at_;
  probe_.stage_took(Stage::fill, filled.count());
  probe_.in_flight(index_, entries_.size(), bytes_);
  try {
    write(entries_, reason);
    const bool backlog = reason == FlushReason::rows;
    target_rows_ = backlog ? std::min(target_rows_ * 2, batch_rows_backlog_.load()) : batch_rows_.load();
  } catch (const Abandoned&) {
    if (const auto close = closing_ ? closing_ : mailbox_.next_close()) give_up(*close);
  }
  entries_.clear();
  bytes_ = 0;
  flushed_at_ = runtime_.now();
  probe_.in_flight(index_, 0, 0);
  publish();
}

/// At other closes the records are read again, by whoever is assigned.
void Lane::give_up(const CloseCommand& close) {
  if (close.reason == FlushReason::shutdown) given_up_ += static_cast<std::int64_t>(entries_.size());
}

void Lane::write(std::span<Entry> entries, FlushReason reason) {
  for (;;) {
    WriteSet writes;
    std::vector<AnomalyCount> anomalies;
    try {
      writes = composer_.compose(entries, *ledger_);
      const StageTimer timer(probe_, Stage::commit);
      anomalies = ledger_->commit(writes);
    } catch (const LedgerError& error) {
      if (recover(error, entries, writes, reason) == Next::finished) return;
      continue;
    }
    committed(entries, writes, reason, std::move(anomalies));
    return;
  }
}

void Lane::committed(std::span<Entry> entries, const WriteSet& writes, FlushReason reason,
                     std::vector<AnomalyCount> anomalies) {
  composer_.committed(entries, writes);
  for (const PartitionMove& move : writes.partitions) {
    if (move.last) find(move.id.topic, move.id.partition)->claim.last = move.last;
  }
  backoff_ = options_.backoff_first;
  database_is(true, "");
  BatchReport report = report_on(entries, writes, wall_clock());
  report.lane = index_;
  report.flush_reason = reason;
  report.anomalies = std::move(anomalies);
  crash_point("before_mirror");
  stream_.mirror(report.next_offsets);
  crash_point("after_mirror");
  probe_.committed(report);
}

void Lane::database_is(bool ok, std::string sentence) {
  {
    const std::lock_guard lock(status_mutex_);
    database_ok_ = ok;
    database_sentence_ = std::move(sentence);
  }
  if (ok) probe_.database_ok();
}

void Lane::publish() {
  std::vector<PartitionStatus> statuses;
  for (const auto& partition : partitions_) {
    const Position& position = partition->position;
    PartitionStatus& status = statuses.emplace_back();
    status.id = partition->id;
    status.state = position.halted()      ? PartitionState::halted
                   : position.verifying() ? PartitionState::verifying
                                          : PartitionState::reading;
    status.log_epoch = partition->claim.log_epoch;
    status.owner_epoch = partition->claim.owner_epoch;
    status.next_offset = partition->claim.next_offset;
    status.lane = index_;
    if (position.halted())
      status.halt_sentence = halt_sentence(position.cause(), partition->id, position.next());
  }
  const std::lock_guard lock(status_mutex_);
  published_ = std::move(statuses);
}

void Lane::take_batch_limits(const IngestOptions& options) {
  batch_rows_ = options.batch_rows;
  batch_rows_backlog_ = options.batch_rows_backlog;
  batch_bytes_ = options.batch_bytes;
}

LaneStatus Lane::status() const {
  const std::lock_guard lock(status_mutex_);
  return {index_, Deadline(Deadline::duration(heartbeat_.load())), database_ok_, database_sentence_};
}

std::vector<PartitionStatus> Lane::partitions() const {
  const std::lock_guard lock(status_mutex_);
  return published_;
}

}  // namespace sealstream
