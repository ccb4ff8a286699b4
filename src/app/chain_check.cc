#include "app/chain_check.h"

#include <algorithm>

namespace sealstream {
namespace {

bool has_personal_values(const Row& row) {
  return std::any_of(kColumns.begin(), kColumns.end(),
                     [&](const ColumnInfo& column) { return column.personal && row.has(column.column); });
}

std::string number(Seq seq) { return std::to_string(seq.value()); }

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::intact:
      return "intact";
    case Verdict::undecidable:
      return "undecidable";
    case Verdict::incomplete:
      return "incomplete";
    case Verdict::tampered:
      return "tampered";
  }
  return "";
}

std::string_view name(Wrong wrong) {
  switch (wrong) {
    case Wrong::checksum:
      return "checksum";
    case Wrong::gap:
      return "gap";
    case Wrong::order:
      return "order";
    case Wrong::head:
      return "head";
    case Wrong::column:
      return "unknown column";
    case Wrong::personal_value:
      return "personal value";
    case Wrong::counters:
      return "counters";
    case Wrong::read_model:
      return "read model";
    case Wrong::absence:
      return "absence";
  }
  return "";
}

void ErasedRows::add(SeqRange range, Seq event) {
  // Only what no earlier event covers: the parts before, between and behind the ranges that are there.
  Seq from = range.from;
  while (from <= range.to) {
    if (const auto covered = find(from)) {
      from = next(covered->to);
      continue;
    }
    const auto following = ranges_.upper_bound(from);
    const bool free = following == ranges_.end() || following->first > range.to;
    const Seq to = free ? range.to : Seq(following->first.value() - 1);
    ranges_.emplace(from, End{to, event});
    from = next(to);
  }
}

std::optional<ErasedRows::Covered> ErasedRows::find(Seq seq) const {
  const auto following = ranges_.upper_bound(seq);
  if (following == ranges_.begin()) return std::nullopt;
  const End& end = std::prev(following)->second;
  if (end.to < seq) return std::nullopt;
  return Covered{end.to, end.event};
}

std::optional<Seq> ErasedRows::next_from(Seq seq) const {
  if (find(seq)) return seq;
  const auto following = ranges_.upper_bound(seq);
  if (following == ranges_.end()) return std::nullopt;
  return following->first;
}

ChainCheck::ChainCheck(Sealer& sealer, const Keyring* keyring, std::string tenant, bool from_the_middle)
    : sealer_(sealer),
      keyring_(keyring),
      tenant_(std::move(tenant)),
      from_the_middle_(from_the_middle),
      placed_(!from_the_middle) {}

void ChainCheck::take(const StoredRow& stored) {
  ++verdict_.rows;
  if (broken_) return;
  if (auto fault = fault_of(stored)) {
    broken_ = true;
    verdict_.faults.push_back(std::move(*fault));
    return;
  }
  check_personal(last_.seq, stored.row);
  if (!is_erasure(stored.row)) return;
  for (const SeqRange range : erased_seqs(stored.row, last_.seq)) erased_.add(range, last_.seq);
}

ChainVerdict ChainCheck::finish(const StoredHead* head) {
  if (!broken_) {
    if (auto fault = head_fault(head)) verdict_.faults.push_back(std::move(*fault));
    // What comes behind a break is not read for its erasures, so nothing can be said about missing values.
    settle_missing();
    settle_half_erased();
  }
  if (personal_fault_) verdict_.faults.push_back(std::move(*personal_fault_));
  if (head != nullptr && !from_the_middle_ && head->events + head->quarantined != verdict_.rows) {
    verdict_.faults.push_back({Verdict::incomplete, Wrong::counters, tenant_, std::nullopt,
                               "the head counts " + std::to_string(head->events + head->quarantined) +
                                   " rows, the ledger holds " + std::to_string(verdict_.rows)});
  }
  return std::move(verdict_);
}

Fault ChainCheck::tampered(Wrong wrong, std::optional<Seq> seq, std::string detail) const {
  return {Verdict::tampered, wrong, tenant_, seq, std::move(detail)};
}

/// Says what is wrong with the next row, or moves on to it.
std::optional<Fault> ChainCheck::fault_of(const StoredRow& stored) {
  if (!placed_ && stored.seq >= Seq(0)) {
    last_.seq = Seq(stored.seq->value() - 1);
    const std::string_view prev = stored.prev_checksum.value_or("");
    if (prev.size() == last_.checksum.size()) std::copy(prev.begin(), prev.end(), last_.checksum.begin());
  }
  placed_ = true;
  if (auto fault = place_fault(stored)) return fault;
  const Seq seq = *stored.seq;
  const Checksum computed = sealer_.checksum(tenant_, seq, last_.checksum, stored.row);
  if (stored.checksum != as_bytes(computed)) {
    return tampered(Wrong::checksum, seq, "the row is not the one that was sealed");
  }
  if (stored.prev_checksum != as_bytes(last_.checksum)) {
    return tampered(Wrong::checksum, seq, "its prev_checksum is not the checksum of the row before");
  }
  if (auto fault = order_fault(stored)) return fault;
  last_ = {seq, computed, stored.row.timestamp_value(Column::recorded_at)};
  return std::nullopt;
}

/// Whether the row stands where a chain can go on at all.
std::optional<Fault> ChainCheck::place_fault(const StoredRow& stored) const {
  const Seq expected = next(last_.seq);
  if (!stored.seq) return tampered(Wrong::order, std::nullopt, "a row without a seq");
  if (*stored.seq < expected)
    return tampered(Wrong::order, stored.seq, "its seq occurs twice, or is below 0");
  if (*stored.seq > expected) {
    const Seq until(stored.seq->value() - 1);
    return tampered(
        Wrong::gap, expected,
        until == expected ? "the row is missing" : "the rows up to seq " + number(until) + " are missing");
  }
  if (tenant_.size() > UINT16_MAX) return tampered(Wrong::order, stored.seq, "no tenant has so long an id");
  return std::nullopt;
}

std::optional<Fault> ChainCheck::order_fault(const StoredRow& stored) {
  if (!stored.row.has(Column::recorded_at) ||
      stored.row.timestamp_value(Column::recorded_at) < last_.recorded_at) {
    return tampered(Wrong::order, stored.seq, "its recorded_at lies before that of the row before");
  }
  if (!offset_rises(stored.row)) {
    return tampered(Wrong::order, stored.seq, "its offset does not rise within its partition");
  }
  return std::nullopt;
}

bool ChainCheck::offset_rises(const Row& row) {
  for (const Column column :
       {Column::kafka_topic, Column::kafka_partition, Column::kafka_log_epoch, Column::kafka_offset}) {
    if (!row.has(column)) return false;
  }
  const std::string_view topic = row.bytes(Column::kafka_topic);
  const std::int64_t partition = row.int_value(Column::kafka_partition);
  const std::pair at(row.int_value(Column::kafka_log_epoch), row.int_value(Column::kafka_offset));
  const auto known = std::find_if(positions_.begin(), positions_.end(), [&](const Position& position) {
    return position.partition == partition && position.topic == topic;
  });
  if (known == positions_.end()) {
    positions_.push_back({std::string(topic), partition, at});
    return true;
  }
  const bool rises = known->last < at;
  known->last = at;
  return rises;
}

void ChainCheck::check_personal(Seq seq, const Row& row) {
  const bool present = has_personal_values(row);
  if (holding_.empty()) first_ = seq;
  holding_.push_back(present);
  if (!row.has(Column::personal_commitment)) {
    if (present) return note_personal(seq, "it has personal values that no commitment covers");
    ++verdict_.personal.none;
    return;
  }
  if (!present) return note_missing(seq);
  const bool named = row.has(Column::personal_key_id) && row.has(Column::event_id);
  if (!named) return note_personal(seq, "it names no key or no event for its personal values");
  const std::string_view key_id = row.bytes(Column::personal_key_id);
  const KeyEntry* entry = keyring_ ? keyring_->find(key_id) : nullptr;
  if (entry == nullptr) {
    ++verdict_.personal.unchecked;
    absent_keys_.emplace(key_id);
    return;
  }
  if (!opens(*entry, row)) return note_personal(seq, "its personal values are not the ones that were sealed");
  ++verdict_.personal.opened;
}

bool ChainCheck::opens(const KeyEntry& entry, const Row& row) {
  const auto commitment = sealer_.commitment(entry, tenant_, row.bytes(Column::event_id), row);
  return commitment && as_bytes(*commitment) == row.bytes(Column::personal_commitment);
}

void ChainCheck::note_missing(Seq seq) {
  if (!missing_.empty() && next(missing_.back().to) == seq) {
    missing_.back().to = seq;
  } else {
    missing_.push_back({seq, seq});
  }
}

/// Finds for each erased row the event that accounts for it.
void ChainCheck::settle_missing() {
  std::map<Seq, std::int64_t> rows_of;
  for (const SeqRange range : missing_) {
    Seq from = range.from;
    while (from <= range.to) {
      const auto covered = erased_.find(from);
      if (!covered) {
        note_personal(from, "its personal values are gone, and no erasure accounts for it");
        from = next(from);
        continue;
      }
      const Seq to = std::min(covered->to, range.to);
      const std::int64_t rows = distance(from, next(to));
      verdict_.personal.erased += rows;
      rows_of[covered->event] += rows;
      from = next(to);
    }
  }
  for (const auto& [event, rows] : rows_of) verdict_.erasures.push_back({tenant_, event, rows});
}

/// Finds the rows that an erasure names and that nobody has erased yet.
void ChainCheck::settle_half_erased() {
  std::map<Seq, std::int64_t> rows_of;
  for (auto from = erased_.next_from(first_); from;) {
    const ErasedRows::Covered covered = *erased_.find(*from);
    for (Seq seq = *from; seq <= covered.to; seq = next(seq)) {
      if (holding_[static_cast<std::size_t>(distance(first_, seq))]) ++rows_of[covered.event];
    }
    from = erased_.next_from(next(covered.to));
  }
  for (const auto& [event, rows] : rows_of) verdict_.half_erased.push_back({tenant_, event, rows});
}

void ChainCheck::note_personal(Seq seq, std::string detail) {
  if (personal_fault_ && *personal_fault_->seq <= seq) return;
  personal_fault_ = tampered(Wrong::personal_value, seq, std::move(detail));
}

std::optional<Fault> ChainCheck::head_fault(const StoredHead* head) const {
  if (head == nullptr) return tampered(Wrong::head, last_.seq, "the chain has no head");
  if (head->seq > last_.seq) {
    return tampered(Wrong::head, next(last_.seq),
                    "the head says that the chain goes on to seq " + number(head->seq));
  }
  if (head->seq < last_.seq) {
    return tampered(Wrong::head, next(head->seq),
                    "the head says that the chain ends at seq " + number(head->seq));
  }
  if (head->checksum != as_bytes(last_.checksum)) {
    return tampered(Wrong::head, last_.seq, "the head's checksum is not the last row's");
  }
  if (head->recorded_at != last_.recorded_at) {
    return tampered(Wrong::head, last_.seq, "the head's recorded_at is not the last row's");
  }
  return std::nullopt;
}

}  // namespace sealstream
