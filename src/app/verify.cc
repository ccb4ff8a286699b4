#include "app/verify.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/range_check.h"

namespace sealstream {
namespace {

std::string name(const Log& log) {
  return json_string(log.topic) + "/" + std::to_string(log.log_epoch) + "/" + std::to_string(log.partition);
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

/// A range of tenants, what is known of it, and what was found.
struct Range {
  RowFilter filter;
  std::vector<StoredHead> heads;
  std::int64_t rows = 0;  ///< as the heads say
  RangeResult result;
};

/// As a head tells it; a forged one may tell anything.
std::int64_t rows_of(const StoredHead& head) {
  constexpr std::int64_t kMostBelieved = 1'000'000'000'000;
  return std::clamp<std::int64_t>(head.seq.value(), -1, kMostBelieved) + 1;
}

template <class Noted>
void move_some(std::vector<Noted>& from, std::vector<Noted>& to, std::size_t most) {
  const std::size_t some = std::min(from.size(), most - to.size());
  std::move(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(some), std::back_inserter(to));
}

class Verification {
 public:
  Verification(LedgerReader& reader, const Keyring* keyring, const VerifyOptions& options,
               const VerifyProgress& progress)
      : reader_(reader), keyring_(keyring), progress_(progress) {
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
  struct Stopped {};
  static constexpr int kRangesAWorker = 8;

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
    std::vector<Range> ranges = cut(reader_.heads(options().tenant));
    std::int64_t all = 0;
    for (const Range& range : ranges) all += range.rows;
    read(ranges, [&, done = std::int64_t{0}](std::int64_t rows) mutable { progress_(done += rows, all); });
    for (Range& range : ranges) add(range.result);
    for (const Range& range : ranges) {
      for (const StoredHead& head : range.result.heads_without_rows) {
        add({Verdict::tampered, Wrong::head, head.tenant, Seq(0),
             "there is a head with seq " + std::to_string(head.seq.value()) + " and no row"});
      }
    }
  }

  /// Ranges of tenants that hold about as many rows each, several for each worker.
  std::vector<Range> cut(std::vector<StoredHead> heads) const {
    std::sort(heads.begin(), heads.end(), [](const auto& a, const auto& b) { return a.tenant < b.tenant; });
    std::int64_t rows = 0;
    for (const StoredHead& head : heads) rows += rows_of(head);
    const std::int64_t wanted = std::max(rows / (options().workers * kRangesAWorker), std::int64_t{1});
    std::vector<Range> ranges(1);
    for (StoredHead& head : heads) {
      const bool another = ranges.back().heads.empty() || ranges.back().heads.back().tenant != head.tenant;
      if (options().workers > 1 && another && ranges.back().rows >= wanted) {
        ranges.back().filter.before_tenant = head.tenant;
        ranges.emplace_back().filter.from_tenant = head.tenant;
      }
      ranges.back().rows += rows_of(head);
      ranges.back().heads.push_back(std::move(head));
    }
    for (Range& range : ranges) {
      range.filter.tenant = options().tenant;
      range.filter.recorded_since = options().since;
    }
    return ranges;
  }

  /// Each worker takes the next range; the calling thread is one of them, and the one that tells how far they
  /// are.
  void read(std::vector<Range>& ranges, const std::function<void(std::int64_t)>& progress) {
    std::atomic<std::size_t> next = 0;
    std::atomic<std::int64_t> untold = 0;
    std::atomic<bool> failed = false;  ///< one of them: the others need not go on
    std::mutex mutex;
    std::exception_ptr thrown;
    const auto work = [&](LedgerReader& reader, bool tells) {
      try {
        for (std::size_t i = next++; i < ranges.size(); i = next++) {
          Range& range = ranges[i];
          range.result = check_range(reader, keyring_, range.filter, range.heads, [&](std::int64_t rows) {
            if (failed) throw Stopped{};
            untold += rows;
            if (tells) progress(untold.exchange(0));
          });
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!thrown) thrown = std::current_exception();
        failed = true;
        next = ranges.size();
      }
    };
    std::vector<std::unique_ptr<LedgerReader>> readers;
    const auto others = std::min(static_cast<std::size_t>(options().workers), ranges.size()) - 1;
    for (std::size_t i = 0; i < others; ++i) readers.push_back(reader_.another());
    {
      std::vector<std::jthread> threads;
      for (const auto& reader : readers) threads.emplace_back([&] { work(*reader, false); });
      work(reader_, true);
    }
    if (thrown) std::rethrow_exception(thrown);
  }

  void add(RangeResult& range) {
    report_.verdict = std::max(report_.verdict, range.verdict);
    report_.rows += range.rows;
    report_.chains += range.chains;
    report_.personal.add(range.personal);
    report_.absent_keys.merge(range.absent_keys);
    report_.fault_count += range.fault_count;
    report_.half_erased_rows += range.half_erased_rows;
    move_some(range.faults, report_.faults, VerifyReport::kMaxFaults);
    move_some(range.erasures, report_.erasures, VerifyReport::kMaxErasures);
    move_some(range.half_erased, report_.half_erased, VerifyReport::kMaxErasures);
    for (const auto& [log, rows] : range.logs) logs_[log].add(rows);
  }

  void check_counters() {
    for (const StoredPartition& stored : reader_.partitions()) {
      const Log log{stored.topic, stored.partition.value(), stored.log_epoch.value()};
      const auto found = logs_.extract(log);
      check_log(log, stored, found ? found.mapped() : LogRows{});
    }
    for (const auto& [log, rows] : logs_) {
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
    if (!stored.loss_said) {
      add(Verdict::incomplete, Wrong::counters,
          name(log) + ": no event of _sealstream says that " + std::to_string(stored.lost) +
              " records of this log were accepted as lost");
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
  const VerifyProgress& progress_;
  VerifyReport report_;
  std::map<Log, LogRows> logs_;
};

}  // namespace

VerifyReport verify(LedgerReader& reader, const Keyring* keyring, const VerifyOptions& options,
                    const VerifyProgress& progress) {
  return Verification(reader, keyring, options, progress).run();
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
