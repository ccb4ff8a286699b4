// A log and a ledger in memory, with the guarantees of the real ones and faults on demand. One of each serves
// all ingest tests.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "sealstream/core/event.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/probe.h"
#include "sealstream/ingest/source.h"

namespace sealstream::testing {

inline Timestamp at(std::int64_t seconds) { return Timestamp(std::chrono::seconds(1'790'000'000 + seconds)); }

/// A keyring whose second key is in force from `at(1'000'000)` on.
inline Keyring two_keys() {
  KeyEntry first{.id = "k1", .from = at(0), .key = {}};
  KeyEntry second{.id = "k2", .from = at(1'000'000), .key = {}};
  first.key.fill(1);
  second.key.fill(2);
  return Keyring({first, second});
}

/// A record that owns its bytes.
struct OwnedRecord {
  std::string topic = "audit.events.v1";
  std::string key;
  std::optional<std::string> value;
  Record record;
};

inline std::string event_json(const std::string& tenant, const std::string& id,
                              const std::string& action = "login",
                              const std::string& time = "2026-09-21T14:13:20Z") {
  return R"({"specversion":"1.0","id":")" + id + R"(","source":"test","type":"audit.auth.)" + action +
         R"(.v1","time":")" + time + R"(","tenantid":")" + tenant +
         R"(","data":{"actor":{"type":"user","id":"u1"},"status":"success","method":"sso"}})";
}

inline FetchedRecord fetched(std::int64_t offset, const std::string& key, std::optional<std::string> value,
                             int partition = 0, Timestamp timestamp = at(0)) {
  auto* owned = new OwnedRecord{.key = key, .value = std::move(value), .record = {}};
  owned->record = {.topic = owned->topic,
                   .log_epoch = LogEpoch(0),
                   .partition = Partition(partition),
                   .offset = Offset(offset),
                   .timestamp = timestamp,
                   .key = owned->key,
                   .value = owned->value,
                   .headers = {}};
  return {.record = owned->record,
          .log_append_time = true,
          .owner = {owned, [](void* bytes) { delete static_cast<OwnedRecord*>(bytes); }}};
}

inline FetchedRecord login(std::int64_t offset, const std::string& tenant, const std::string& id,
                           int partition = 0, const std::string& action = "login") {
  return fetched(offset, tenant, event_json(tenant, id, action), partition);
}

inline PartitionId partition_id(int partition) { return {"audit.events.v1", Partition(partition)}; }

/// One PostgreSQL server, as many connections as wanted.
class FakeDatabase {
 public:
  struct PartitionRow {
    OwnerEpoch epoch;
    Offset first;
    Offset next;
    std::optional<LastRecord> last;
    std::int64_t accepted = 0, duplicate = 0, quarantined = 0, skipped = 0;
    LogEpoch log_epoch{0};
    std::optional<Witness> witness{};
    bool another_log = false;
  };
  struct LedgerRow {
    std::string tenant;
    Seq seq;
    std::string event_id;
    std::string family;
    Offset offset;
    Checksum prev, checksum;
    Timestamp recorded_at;
    SourceDigest digest;
    std::string key_id;
  };
  struct Fault {
    LedgerFault fault;
    bool took_effect = false;  ///< of in_doubt: whether the commit went through
  };

  std::vector<LedgerRow> rows_of(const std::string& tenant) {
    const std::lock_guard lock(mutex);
    std::vector<LedgerRow> found;
    for (const LedgerRow& row : rows) {
      if (row.tenant == tenant) found.push_back(row);
    }
    return found;
  }
  PartitionRow partition(int number) {
    const std::lock_guard lock(mutex);
    return partitions.at(partition_id(number));
  }
  /// Another instance claims the partition.
  void steal(int number) {
    const std::lock_guard lock(mutex);
    PartitionRow& row = partitions.at(partition_id(number));
    row.epoch = next(row.epoch);
  }

  std::mutex mutex;
  std::map<PartitionId, PartitionRow> partitions;
  std::map<std::string, ChainState> chains;
  std::vector<WindowStep> steps;        ///< of the last commit; views of its batch
  std::vector<AnomalyCount> anomalies;  ///< that each commit says it found
  std::vector<LedgerRow> rows;
  std::vector<QuarantineRow> quarantine;
  std::deque<Fault> commit_faults;       ///< one for each of the next commits
  std::set<std::string> poisonous_ids;   ///< event ids that the server refuses to store
  std::deque<LedgerFault> claim_faults;  ///< one for each of the next claims
  bool down = false;
  std::function<void(const WriteSet&)>
      before_commit;  ///< on the lane's thread; set it before it may be called
  int commits = 0;
  int lookups = 0;  ///< ids looked up so far
};

class FakeLedger : public Ledger {
 public:
  explicit FakeLedger(FakeDatabase& database) : db_(database) {}

  std::optional<Claim> claim(const PartitionId& id, std::string_view, std::optional<Offset> start) override {
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
    if (!db_.claim_faults.empty()) {
      const LedgerFault fault = db_.claim_faults.front();
      db_.claim_faults.pop_front();
      throw LedgerError(fault, "", "", "a claim fault of the test");
    }
    auto row = db_.partitions.find(id);
    if (row == db_.partitions.end()) {
      if (!start) return std::nullopt;
      row = db_.partitions.emplace(id, FakeDatabase::PartitionRow{OwnerEpoch(0), *start, *start, {}}).first;
    }
    row->second.epoch = next(row->second.epoch);
    return Claim{row->second.log_epoch, row->second.epoch,   row->second.next,
                 row->second.last,      row->second.witness, row->second.another_log};
  }

  void keep_another_log(const PartitionId& id, LogEpoch epoch) override {
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
    FakeDatabase::PartitionRow& row = db_.partitions.at(id);
    row.another_log = row.another_log || row.log_epoch == epoch;
  }

  Prepared prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) override {
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
    Prepared prepared;
    for (const std::string_view tenant : tenants) prepared.chains.push_back(db_.chains[std::string(tenant)]);
    for (const IdQuery& query : ids) {
      ++db_.lookups;
      auto& found = prepared.stored.emplace_back();
      for (const auto& row : db_.rows) {
        if (row.tenant == query.tenant && row.event_id == query.id)
          found = StoredEvent{row.seq, row.digest, row.key_id};
      }
    }
    return prepared;
  }

  std::vector<AnomalyCount> commit(const WriteSet& writes) override {
    if (db_.before_commit) db_.before_commit(writes);
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
    ++db_.commits;
    FakeDatabase::Fault fault{LedgerFault::in_doubt, true};
    const bool faulty = !db_.commit_faults.empty();
    if (faulty) {
      fault = db_.commit_faults.front();
      db_.commit_faults.pop_front();
    }
    if (!faulty || fault.took_effect) {
      check(writes);
      apply(writes);
    }
    if (faulty) throw LedgerError(fault.fault, "", "", "a commit fault of the test");
    return db_.anomalies;
  }

  void ensure_leaves(Timestamp, int) override {}
  void check() override {
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
  }
  std::vector<std::optional<StoredPosition>> positions(std::span<const PartitionId> ids) override {
    const std::lock_guard lock(db_.mutex);
    fail_if_down();
    std::vector<std::optional<StoredPosition>> positions;
    for (const PartitionId& id : ids) {
      const auto row = db_.partitions.find(id);
      auto& position = positions.emplace_back();
      if (row != db_.partitions.end()) position = {row->second.log_epoch, row->second.next};
    }
    return positions;
  }

 private:
  void fail_if_down() const {
    if (db_.down) throw LedgerError(LedgerFault::unavailable, "08006", "", "the database is down");
  }

  void check(const WriteSet& writes) const {
    for (const PartitionMove& move : writes.partitions) {
      const auto& row = db_.partitions.at(move.id);
      if (row.epoch != move.owner_epoch || row.next != move.from)
        throw LedgerError(LedgerFault::fenced, "SL002", "", "fenced");
      EXPECT_EQ(distance(move.from, move.to),
                move.accepted + move.duplicate + move.quarantined + move.skipped);
    }
    for (const SealedRow& row : writes.rows) {
      const std::string id(row.row->bytes(Column::event_id));
      if (db_.poisonous_ids.contains(id))
        throw LedgerError(LedgerFault::row, "22000", "ledger_test_check", "a poisonous row");
      for (const auto& stored : db_.rows) {
        if (stored.tenant == row.tenant && stored.event_id == id)
          throw LedgerError(LedgerFault::duplicate, "23505", "", "duplicate");
      }
    }
    for (const HeadMove& move : writes.heads) {
      const auto chain = db_.chains.find(std::string(move.tenant));
      const Head stored = chain == db_.chains.end() ? Head{} : chain->second.head;
      if (!(stored == move.before))
        throw LedgerError(LedgerFault::head_conflict, "SL001", "", "head conflict");
    }
  }

  void apply(const WriteSet& writes) {
    for (const SealedRow& row : writes.rows) {
      SourceDigest digest;
      std::copy_n(row.row->bytes(Column::source_digest).begin(), digest.size(), digest.begin());
      db_.rows.push_back({std::string(row.tenant), row.seq, std::string(row.row->bytes(Column::event_id)),
                          std::string(row.row->bytes(Column::family)),
                          Offset(row.row->int_value(Column::kafka_offset)), row.prev_checksum, row.checksum,
                          row.row->timestamp_value(Column::recorded_at), digest,
                          std::string(row.row->bytes(Column::personal_key_id))});
    }
    for (const HeadMove& move : writes.heads) db_.chains[std::string(move.tenant)] = {move.after, move.clock};
    db_.steps = writes.steps;
    for (const PartitionMove& move : writes.partitions) {
      auto& row = db_.partitions.at(move.id);
      row.next = move.to;
      if (move.last) row.last = move.last;
      if (!row.witness) row.witness = move.witness;
      row.accepted += move.accepted;
      row.duplicate += move.duplicate;
      row.quarantined += move.quarantined;
      row.skipped += move.skipped;
    }
    for (const QuarantineRow& row : writes.quarantine) db_.quarantine.push_back(row);
  }

  FakeDatabase& db_;
};

/// Deliveries of one lane, in the order the test gives them. A seek replays what the log holds from there on.
class FakeStream : public RecordStream {
 public:
  /// Appends to the log and delivers it.
  void publish(FetchedRecord record) {
    const std::lock_guard lock(mutex_);
    append(std::move(record));
  }
  /// The same with all of them at once: who takes the first finds the others at hand.
  void publish(std::vector<FetchedRecord> records) {
    const std::lock_guard lock(mutex_);
    for (FetchedRecord& record : records) append(std::move(record));
  }
  /// The log is empty again, and begins at 0.
  void make_again(const PartitionId& id) {
    const std::lock_guard lock(mutex_);
    log_[id].clear();
  }
  /// Delivers something that is no record of the log.
  void deliver(Delivery delivery) {
    const std::lock_guard lock(mutex_);
    deliveries_.push_back(std::move(delivery));
  }

  std::optional<Delivery> next(milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    if (deliveries_.empty()) {
      lock.unlock();
      std::this_thread::yield();  // a fake has nothing to wait for
      (void)timeout;
      return std::nullopt;
    }
    Delivery delivery = std::move(deliveries_.front());
    deliveries_.pop_front();
    lock.unlock();
    if (const auto hook = std::exchange(before_next_delivery, nullptr)) hook();
    return delivery;
  }

  void seek(const PartitionId& id, Offset offset) override {
    const std::lock_guard lock(mutex_);
    seeks.emplace_back(id, offset);
    if (failing_seeks > 0) {
      --failing_seeks;
      throw SourceError("the seek failed");
    }
    std::erase_if(deliveries_, [&](const Delivery& delivery) {
      const auto* record = std::get_if<FetchedRecord>(&delivery);
      return record != nullptr && key_of(*record) == id;
    });
    for (const Logged& logged : log_[id]) {
      if (logged.offset >= offset)
        deliveries_.push_back(fetched(logged.offset.value(), logged.key, logged.value, id.partition.value()));
    }
  }

  void watch(const PartitionId& id, const std::optional<Witness>& witness) override {
    const std::lock_guard lock(mutex_);
    watched[id] = witness;
  }
  std::optional<Extent> extent(const PartitionId&, milliseconds) override {
    const std::lock_guard lock(mutex_);
    if (extent_answers.empty()) return extent_answer;
    const std::optional<Extent> answer = extent_answers.front();
    extent_answers.pop_front();
    return answer;
  }
  void mirror(std::span<const std::pair<PartitionId, Offset>> next_offsets) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, offset] : next_offsets) mirrored[id] = offset;
  }

  /// Runs once, on the lane's thread, when next() has something and before it returns it. Set it before
  /// publishing.
  std::function<void()> before_next_delivery;
  std::deque<std::optional<Extent>>
      extent_answers;  ///< to the next questions; to those behind them extent_answer
  std::optional<Extent> extent_answer = Extent{Offset(0), Offset(1'000'000)};
  int failing_seeks = 0;  ///< so many of the next ones. Set it before publishing.
  std::vector<std::pair<PartitionId, Offset>> seeks;
  std::map<PartitionId, Offset> mirrored;
  std::map<PartitionId, std::optional<Witness>> watched;

 private:
  struct Logged {
    Offset offset;
    std::string key;
    std::optional<std::string> value;
  };
  static PartitionId key_of(const FetchedRecord& record) {
    return {std::string(record.record.topic), record.record.partition};
  }
  /// Precondition: the mutex is held.
  void append(FetchedRecord record) {
    log_[key_of(record)].push_back(
        {record.record.offset, std::string(*record.record.key),
         record.record.value ? std::optional(std::string(*record.record.value)) : std::nullopt});
    deliveries_.push_back(std::move(record));
  }

  std::mutex mutex_;
  std::deque<Delivery> deliveries_;
  std::map<PartitionId, std::vector<Logged>> log_;
};

class MockProbe : public Probe {
 public:
  MOCK_METHOD(void, committed, (const BatchReport&), (override));
  MOCK_METHOD(void, batch_failed, (FlushReason, std::string_view), (override));
  MOCK_METHOD(void, stage_took, (Stage, double), (override));
  MOCK_METHOD(void, in_flight, (std::size_t, std::size_t, std::size_t), (override));
  MOCK_METHOD(void, backpressure, (double), (override));
  MOCK_METHOD(void, partition_assigned, (const PartitionId&, Offset), (override));
  MOCK_METHOD(void, partition_released, (const PartitionId&), (override));
  MOCK_METHOD(void, extent, (const PartitionId&, Extent), (override));
  MOCK_METHOD(void, topic_partitions, (const std::string&, int), (override));
  MOCK_METHOD(void, rebalanced, (std::string_view), (override));
  MOCK_METHOD(void, tenant_split, (), (override));
  MOCK_METHOD(void, gap, (std::string_view, std::int64_t), (override));
  MOCK_METHOD(void, missed, (HaltCause, std::int64_t), (override));
  MOCK_METHOD(void, halted, (const PartitionId&, HaltCause, std::string_view), (override));
  MOCK_METHOD(void, claimed, (std::string_view), (override));
  MOCK_METHOD(void, head_conflict, (), (override));
  MOCK_METHOD(void, fenced, (const PartitionId&), (override));
  MOCK_METHOD(void, fence_alarm, (std::size_t), (override));
  MOCK_METHOD(void, log_unverified, (const PartitionId&), (override));
  MOCK_METHOD(void, commits_lost, (const PartitionId&, Offset), (override));
  MOCK_METHOD(void, queue_forward_lost, (const PartitionId&), (override));
  MOCK_METHOD(void, in_doubt, (std::string_view), (override));
  MOCK_METHOD(void, duplicate_unverified, (), (override));
  MOCK_METHOD(void, kafka_error, (std::string_view, std::string_view), (override));
  MOCK_METHOD(void, brokers_up, (int), (override));
  MOCK_METHOD(void, database_failed, (std::string_view, std::string_view), (override));
  MOCK_METHOD(void, database_ok, (), (override));
};

}  // namespace sealstream::testing
