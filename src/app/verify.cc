#include "app/verify.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "app/exit_codes.h"
#include "app/json_writer.h"

namespace sealstream {
namespace {

/// A log that rows and counters speak of.
struct Log {
  std::string topic;
  std::int64_t partition;
  std::int64_t log_epoch;
  friend auto operator<=>(const Log&, const Log&) = default;
};

std::string name(const Log& log) {
  return json_string(log.topic) + "/" + std::to_string(log.log_epoch) + "/" + std::to_string(log.partition);
}

/// What the ledger holds of one log.
struct LogRows {
  std::int64_t events = 0;
  std::int64_t tombstones = 0;
  std::int64_t lowest_offset = INT64_MAX;
  std::int64_t highest_offset = INT64_MIN;
};

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
    rows.lowest_offset = std::min(rows.lowest_offset, offset);
    rows.highest_offset = std::max(rows.highest_offset, offset);
    const bool tombstone = row.has(Column::family) && row.bytes(Column::family) == "quarantined";
    ++(tombstone ? rows.tombstones : rows.events);
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

void add_fault(VerifyReport& report, Fault fault) {
  report.verdict = std::max(report.verdict, fault.verdict);
  if (++report.fault_count <= std::int64_t{VerifyReport::kMaxFaults})
    report.faults.push_back(std::move(fault));
}

void put_worst_first(VerifyReport& report) {
  std::stable_sort(report.faults.begin(), report.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.verdict > b.verdict; });
}

class Verification {
 public:
  Verification(LedgerReader& reader, const Keyring* keyring, const VerifyOptions& options)
      : reader_(reader), keyring_(keyring), sealer_(keyring ? *keyring : no_keys()) {
    report_.options = options;
    report_.keyring = keyring != nullptr;
  }

  VerifyReport run() {
    check_columns();
    if (report_.fault_count == 0) {
      check_chains();
      if (!options().tenant && !options().since) check_counters();
      if (!options().since) {
        report_.repeated_ids = reader_.repeated_ids(options().tenant, VerifyReport::kMaxRepeatedIds);
      }
      check_absence();
    }
    put_worst_first(report_);
    return std::move(report_);
  }

 private:
  const VerifyOptions& options() const { return report_.options; }

  void add(Fault fault) { add_fault(report_, std::move(fault)); }

  /// A fault of the ledger as a whole.
  void add(Verdict verdict, Wrong wrong, std::string detail) {
    add({verdict, wrong, "", std::nullopt, std::move(detail)});
  }

  void check_columns() {
    std::map<std::string, std::string> expected;
    for (const LiveColumn& column : expected_columns()) expected.emplace(column.name, column.type);
    for (const LiveColumn& column : reader_.columns()) {
      const auto known = expected.find(column.name);
      if (known == expected.end()) {
        add(Verdict::tampered, Wrong::column,
            "audit.ledger has a column " + json_string(column.name) + " that no checksum covers");
        continue;
      }
      if (known->second != column.type) {
        add(Verdict::tampered, Wrong::column,
            "the column " + json_string(column.name) + " has the type " + json_string(column.type) +
                ", not " + known->second);
      }
      expected.erase(known);
    }
    for (const auto& [name, type] : expected) {
      add(Verdict::undecidable, Wrong::column, "audit.ledger lacks the column \"" + name + "\"");
    }
  }

  void check_chains() {
    for (StoredHead& head : reader_.heads(options().tenant)) {
      std::string tenant = head.tenant;
      heads_.emplace(std::move(tenant), std::move(head));
    }
    reader_.rows({options().tenant, options().since}, [this](const StoredRow& stored) { take(stored); });
    finish_chain();
    for (const auto& [tenant, head] : heads_) {
      if (options().since && head.recorded_at < *options().since) continue;
      add({Verdict::tampered, Wrong::head, tenant, Seq(0),
           "there is a head with seq " + std::to_string(head.seq.value()) + " and no row"});
    }
  }

  void take(const StoredRow& stored) {
    ++report_.rows;
    logs_.take(stored.row);
    if (!stored.tenant) {
      add({Verdict::tampered, Wrong::order, "", stored.seq, "a row without a tenant id"});
      return;
    }
    if (!chain_ || chain_->tenant() != *stored.tenant) {
      finish_chain();
      chain_.emplace(sealer_, keyring_, std::string(*stored.tenant), options().since.has_value());
    }
    chain_->take(stored);
  }

  void finish_chain() {
    if (!chain_) return;
    const auto head = heads_.find(chain_->tenant());
    ChainVerdict verdict = chain_->finish(head == heads_.end() ? nullptr : &head->second);
    if (head != heads_.end()) heads_.erase(head);
    ++report_.chains;
    report_.personal.none += verdict.personal.none;
    report_.personal.opened += verdict.personal.opened;
    report_.personal.erased += verdict.personal.erased;
    report_.personal.unchecked += verdict.personal.unchecked;
    report_.absent_keys.insert(chain_->absent_keys().begin(), chain_->absent_keys().end());
    for (Fault& fault : verdict.faults) add(std::move(fault));
    for (Erasure& erasure : verdict.erasures) {
      if (report_.erasures.size() < VerifyReport::kMaxErasures)
        report_.erasures.push_back(std::move(erasure));
    }
    for (Erasure& erasure : verdict.half_erased) {
      report_.half_erased_rows += erasure.rows;
      if (report_.half_erased.size() < VerifyReport::kMaxErasures)
        report_.half_erased.push_back(std::move(erasure));
    }
    chain_.reset();
  }

  void check_counters() {
    for (const StoredPartition& stored : reader_.partitions()) {
      const Log log{stored.topic, stored.partition.value(), stored.log_epoch.value()};
      const auto found = logs_.logs().extract(log);
      check_log(log, stored, found ? found.mapped() : LogRows{});
    }
    for (const auto& [log, rows] : logs_.logs()) {
      add(Verdict::incomplete, Wrong::counters,
          name(log) + ": the ledger holds rows of a partition that nothing counts");
    }
  }

  void check_log(const Log& log, const StoredPartition& stored, const LogRows& rows) {
    const auto disagree = [&](const std::string& what, std::int64_t counted, std::int64_t held) {
      if (counted == held) return;
      add(Verdict::incomplete, Wrong::counters,
          name(log) + ": " + what + " " + std::to_string(counted) + ", the ledger holds " +
              std::to_string(held));
    };
    disagree("accepted counts", stored.accepted, rows.events);
    disagree("quarantined counts", stored.quarantined, rows.tombstones);
    const std::int64_t booked =
        stored.accepted + stored.duplicate + stored.quarantined + stored.skipped + stored.lost;
    if (distance(stored.first_offset, stored.next_offset) != booked) {
      add(Verdict::incomplete, Wrong::counters,
          name(log) + ": the totals do not add up to the offsets that were read");
    }
    const bool any = rows.events + rows.tombstones > 0;
    if (any && (Offset(rows.lowest_offset) < stored.first_offset ||
                Offset(rows.highest_offset) >= stored.next_offset)) {
      add(Verdict::incomplete, Wrong::counters,
          name(log) + ": the ledger holds an offset that was never read");
    }
  }

  /// What could not be checked is never intact.
  void check_absence() {
    if (report_.rows == 0) add(Verdict::undecidable, Wrong::absence, "there is no row to verify");
    if (report_.personal.unchecked > 0 && !options().chain_only) {
      add(Verdict::undecidable, Wrong::absence,
          "the personal values of " + std::to_string(report_.personal.unchecked) +
              " rows could not be opened: the key is absent");
    }
  }

  LedgerReader& reader_;
  const Keyring* keyring_;
  Sealer sealer_;
  VerifyReport report_;
  LogCounter logs_;
  std::unordered_map<std::string, StoredHead> heads_;  ///< of the chains that are not finished
  std::optional<ChainCheck> chain_;
};

}  // namespace

VerifyReport verify(LedgerReader& reader, const Keyring* keyring, const VerifyOptions& options) {
  return Verification(reader, keyring, options).run();
}

void add_read_models(VerifyReport& report, ReadModelCheck check) {
  const auto add = [&](Verdict verdict, Wrong wrong, std::string detail) {
    add_fault(report, {verdict, wrong, report.options.tenant.value_or(""), std::nullopt, std::move(detail)});
  };
  if (!check.obstacle.empty()) {
    add(Verdict::undecidable, Wrong::absence, "the read models could not be compared: " + check.obstacle);
  }
  for (const ReadModelCounts& counts : check.counts) {
    if (counts.differences() == 0) continue;
    add(Verdict::incomplete, Wrong::read_model,
        std::string(counts.table->name) + " is not what the ledger says: " + std::to_string(counts.missing) +
            " rows are missing, " + std::to_string(counts.unexpected) + " are there without reason, " +
            std::to_string(counts.different) + " differ");
  }
  put_worst_first(report);
  report.read_models = std::move(check);
}

int exit_code(Verdict verdict) {
  switch (verdict) {
    case Verdict::intact:
      return kExitOk;
    case Verdict::tampered:
      return kExitNo;
    case Verdict::incomplete:
      return kExitIncomplete;
    case Verdict::undecidable:
      return kExitUndecidable;
  }
  return kExitBug;
}

}  // namespace sealstream
