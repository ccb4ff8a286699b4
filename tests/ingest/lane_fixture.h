// A lane on its own thread over a log and a ledger in memory.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include "ingest/eventually.h"
#include "ingest/fakes.h"
#include "ingest/lane.h"

namespace sealstream::testing {

inline IngestOptions quick() {
  IngestOptions options;
  options.lanes = 1;
  options.backoff_first = milliseconds(1);
  options.backoff_last = milliseconds(2);
  options.claim_retry = milliseconds(1);
  options.fence_patience = milliseconds(1);
  options.recent_ids = 1024;
  return options;
}

inline Deadline in(milliseconds wait) { return std::chrono::steady_clock::now() + wait; }

class LaneTest : public ::testing::Test {
 protected:
  ~LaneTest() override {
    if (!thread_.joinable()) return;
    lane_.mailbox().send(CloseCommand{FlushReason::shutdown, true, in(std::chrono::seconds(5))});
    lane_.mailbox().send(FinishCommand{});
  }

  void opens(int partition, std::int64_t start = 0) {
    const auto claim = FakeLedger(db_).claim(partition_id(partition), "test", Offset(start));
    OpenCommand command;
    command.partitions.emplace_back(partition_id(partition), *claim);
    lane_.mailbox().send(std::move(command));
    if (!thread_.joinable()) thread_ = std::jthread([this] { lane_.run(); });
    ASSERT_TRUE(lane_.mailbox().wait_done(in(std::chrono::seconds(10))));
  }
  void closes() {
    lane_.mailbox().send(CloseCommand{FlushReason::revoke, false, in(std::chrono::seconds(5))});
    ASSERT_TRUE(lane_.mailbox().wait_done(in(std::chrono::seconds(10))));
  }
  void publishes(int count, const std::string& tenant = "acme") {
    std::vector<FetchedRecord> records;
    for (int i = 0; i < count; ++i, ++published_) {
      records.push_back(login(published_, tenant, "event-" + std::to_string(1000 + published_)));
    }
    stream_.publish(std::move(records));
  }
  bool reaches(std::int64_t next_offset, int partition = 0) {
    return eventually([&] { return db_.partition(partition).next == Offset(next_offset); });
  }
  void expect_exactly_once(int events, const std::string& tenant = "acme") {
    const auto rows = db_.rows_of(tenant);
    ASSERT_EQ(rows.size(), static_cast<std::size_t>(events));
    for (int i = 0; i < events; ++i) {
      EXPECT_EQ(rows[i].seq, Seq(i));
      EXPECT_EQ(rows[i].offset, Offset(i));
      EXPECT_EQ(rows[i].prev, i == 0 ? Checksum{} : rows[i - 1].checksum);
    }
  }
  void fails_next(LedgerFault fault, bool took_effect = false) {
    const std::lock_guard lock(db_.mutex);
    db_.commit_faults.push_back({fault, took_effect});
  }
  void database_down(bool down) {
    const std::lock_guard lock(db_.mutex);
    db_.down = down;
  }

  IngestOptions options_ = quick();
  Keyring keyring_ = two_keys();
  ::testing::NiceMock<MockProbe> probe_;
  FakeDatabase db_;
  FakeStream stream_;
  LedgerFactory ledgers_ = [this](auto, auto) { return std::make_unique<FakeLedger>(db_); };
  Lane lane_{0, options_, keyring_, stream_, ledgers_, probe_};
  std::int64_t published_ = 0;
  std::jthread thread_;
};

}  // namespace sealstream::testing
