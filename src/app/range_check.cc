#include "app/range_check.h"

#include <algorithm>
#include <utility>

namespace sealstream {
namespace {

constexpr std::int64_t kRowsAReport = 4'096;

/// Counts the rows of each log. Rows that lie together mostly come from the same one.
class LogCounter {
 public:
  void take(const Row& row) {
    for (const Column column :
         {Column::kafka_topic, Column::kafka_partition, Column::kafka_log_epoch, Column::kafka_offset}) {
      if (!row.has(column)) return;  // its checksum is wrong as well
    }
    LogRows& rows = rows_of(row);
    const std::int64_t offset = row.int_value(Column::kafka_offset);
    const bool tombstone = row.has(Column::family) && row.bytes(Column::family) == "quarantined";
    rows.add({tombstone ? 0 : 1, tombstone ? 1 : 0, offset, offset});
  }

  std::map<Log, LogRows>& logs() { return logs_; }

 private:
  LogRows& rows_of(const Row& row) {
    const std::string_view topic = row.bytes(Column::kafka_topic);
    const std::int64_t partition = row.int_value(Column::kafka_partition);
    const std::int64_t log_epoch = row.int_value(Column::kafka_log_epoch);
    const bool same = last_ != logs_.end() && last_->first.topic == topic &&
                      last_->first.partition == partition && last_->first.log_epoch == log_epoch;
    if (!same) last_ = logs_.try_emplace(Log{std::string(topic), partition, log_epoch}).first;
    return last_->second;
  }

  std::map<Log, LogRows> logs_;
  std::map<Log, LogRows>::iterator last_ = logs_.end();
};

const Keyring& no_keys() {
  static const Keyring keyring({KeyEntry{"none", Timestamp(), PersonalKey{}}});
  return keyring;
}

class RangeCheck {
 public:
  RangeCheck(const Keyring* keyring, const RowFilter& filter, const std::vector<StoredHead>& heads)
      : keyring_(keyring), filter_(filter), sealer_(keyring ? *keyring : no_keys()) {
    for (const StoredHead& head : heads) heads_.emplace(head.tenant, &head);
  }

  void take(const StoredRow& stored) {
    ++result_.rows;
    logs_.take(stored.row);
    if (!stored.tenant) {
      add({Verdict::tampered, Wrong::order, "", stored.seq, "a row without a tenant id"});
      return;
    }
    if (!chain_ || chain_->tenant() != *stored.tenant) {
      finish_chain();
      chain_.emplace(sealer_, keyring_, std::string(*stored.tenant), filter_.recorded_since.has_value());
    }
    chain_->take(stored);
  }

  RangeResult finish() {
    finish_chain();
    for (const auto& [tenant, head] : heads_) {
      const bool lies_before = filter_.recorded_since && head->recorded_at < *filter_.recorded_since;
      if (!lies_before) result_.heads_without_rows.push_back(*head);
    }
    result_.logs = std::move(logs_.logs());
    return std::move(result_);
  }

 private:
  void add(Fault fault) {
    result_.verdict = std::max(result_.verdict, fault.verdict);
    if (++result_.fault_count <= std::int64_t{kMostNoted}) result_.faults.push_back(std::move(fault));
  }

  void finish_chain() {
    if (!chain_) return;
    const auto head = heads_.find(chain_->tenant());
    ChainVerdict verdict = chain_->finish(head == heads_.end() ? nullptr : head->second);
    if (head != heads_.end()) heads_.erase(head);
    ++result_.chains;
    result_.personal.add(verdict.personal);
    result_.absent_keys.insert(chain_->absent_keys().begin(), chain_->absent_keys().end());
    for (Fault& fault : verdict.faults) add(std::move(fault));
    for (Erasure& erasure : verdict.erasures) {
      if (result_.erasures.size() < kMostNoted) result_.erasures.push_back(std::move(erasure));
    }
    for (Erasure& erasure : verdict.half_erased) {
      result_.half_erased_rows += erasure.rows;
      if (result_.half_erased.size() < kMostNoted) result_.half_erased.push_back(std::move(erasure));
    }
    chain_.reset();
  }

  const Keyring* keyring_;
  const RowFilter& filter_;
  Sealer sealer_;
  RangeResult result_;
  LogCounter logs_;
  std::map<std::string, const StoredHead*> heads_;  ///< of the chains that are not finished
  std::optional<ChainCheck> chain_;
};

}  // namespace

void LogRows::add(const LogRows& other) {
  events += other.events;
  tombstones += other.tombstones;
  lowest_offset = std::min(lowest_offset, other.lowest_offset);
  highest_offset = std::max(highest_offset, other.highest_offset);
}

RangeResult check_range(LedgerReader& reader, const Keyring* keyring, const RowFilter& filter,
                        const std::vector<StoredHead>& heads,
                        const std::function<void(std::int64_t)>& progress) {
  RangeCheck check(keyring, filter, heads);
  std::int64_t unreported = 0;
  reader.rows(filter, [&](const StoredRow& stored) {
    check.take(stored);
    if (++unreported == kRowsAReport) progress(std::exchange(unreported, 0));
  });
  progress(unreported);
  return check.finish();
}

}  // namespace sealstream
