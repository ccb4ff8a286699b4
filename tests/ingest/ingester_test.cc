// Goal: nothing is read before it is claimed, and nothing is let go before it is committed.
// Method: the production ingester with its lanes, over a consumer group that the test plays.
#include "sealstream/ingest/ingester.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <thread>

#include "ingest/eventually.h"
#include "ingest/fakes.h"

namespace sealstream {
namespace {

using namespace sealstream::testing;
using ::testing::_;
using ::testing::NiceMock;

IngestOptions quick() {
  IngestOptions options;
  options.lanes = 2;
  options.backoff_first = milliseconds(1);
  options.backoff_last = milliseconds(2);
  options.claim_retry = milliseconds(1);
  options.assign_deadline = milliseconds(300);
  options.flush_on_revoke = milliseconds(200);
  options.drain_deadline = milliseconds(2'000);
  options.database_check_interval = milliseconds(1);
  options.recent_ids = 1024;
  return options;
}

/// A group of one member, driven by the test: steps run on the group thread between two ticks.
class FakeSource : public Source, public Group {
 public:
  explicit FakeSource(std::size_t lanes) : streams_(lanes) {}

  RecordStream& stream(std::size_t lane) override { return streams_[lane]; }
  FakeStream& fake(std::size_t lane) { return streams_[lane]; }

  void serve(GroupListener& listener, std::stop_token stop) override {
    while (!stop.stop_requested()) {
      listener.tick(*this);
      std::function<void(GroupListener&)> step;
      {
        const std::lock_guard lock(mutex_);
        step = std::exchange(step_, nullptr);
      }
      if (step) {
        step(listener);
        const std::lock_guard lock(mutex_);
        done_ = true;
      }
      std::this_thread::yield();
    }
    listener.revoked({});
  }

  void assign(std::span<const Start> starts) override {
    const std::lock_guard lock(mutex_);
    ++assign_calls;
    assigned.assign(starts.begin(), starts.end());
  }
  void unassign() override {
    const std::lock_guard lock(mutex_);
    ++unassign_calls;
    assigned.clear();
  }
  std::vector<std::optional<Extent>> extents(std::span<const PartitionId> ids, milliseconds) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::optional<Extent>> extents;
    for (const PartitionId& id : ids) {
      const Offset end = large_log == id ? Offset(1'000) : Offset(9);
      extents.push_back(unknown_log == id ? std::nullopt : std::optional(Extent{Offset(3), end}));
    }
    return extents;
  }
  void know_all_logs() {
    const std::lock_guard lock(mutex_);
    unknown_log.reset();
  }

  /// Runs `step` on the group thread and waits for its end.
  bool group(std::function<void(GroupListener&)> step) {
    {
      const std::lock_guard lock(mutex_);
      step_ = std::move(step);
      done_ = false;
    }
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return done_;
    });
  }
  std::vector<Start> assignment() {
    const std::lock_guard lock(mutex_);
    return assigned;
  }

  int assign_calls = 0;
  int unassign_calls = 0;
  std::optional<PartitionId> unknown_log;  ///< the broker does not answer for this one
  std::optional<PartitionId> large_log;    ///< more waits in this one than in all others
  std::vector<Start> assigned;

 private:
  std::vector<FakeStream> streams_;
  std::mutex mutex_;
  std::function<void(GroupListener&)> step_;
  bool done_ = false;
};

class IngesterTest : public ::testing::Test {
 protected:
  void starts() {
    thread_ = std::jthread([this](std::stop_token stop) { drained_ = ingester_.run(stop); });
  }
  void stops() {
    thread_.request_stop();
    thread_.join();
  }
  void assigns(std::vector<int> partitions) {
    ASSERT_TRUE(source_.group([&](GroupListener& listener) {
      std::vector<PartitionId> ids;
      for (const int partition : partitions) ids.push_back(partition_id(partition));
      listener.assigned(std::move(ids), source_);
    }));
  }
  void database_down(bool down) {
    const std::lock_guard lock(db_.mutex);
    db_.down = down;
  }

  NiceMock<MockProbe> probe_;
  Keyring keyring_ = two_keys();
  FakeDatabase db_;
  FakeSource source_{2};
  Ingester ingester_{quick(), keyring_, source_,
                     [this](auto, auto) { return std::make_unique<FakeLedger>(db_); }, probe_};
  bool drained_ = false;
  std::jthread thread_;
};

TEST_F(IngesterTest, PartitionsAreClaimedAndSpreadOverTheLanes) {
  starts();
  assigns({0, 1, 2, 3});
  const auto assignment = source_.assignment();
  ASSERT_EQ(assignment.size(), 4u);
  for (const Start& start : assignment) {
    EXPECT_EQ(start.lane, static_cast<std::size_t>(start.id.partition.value() % 2));
    EXPECT_EQ(start.offset, Offset(3)) << "a partition seen for the first time starts at the log's beginning";
    EXPECT_EQ(db_.partition(start.id.partition.value()).epoch, OwnerEpoch(1));
  }
  stops();
}

TEST_F(IngesterTest, AskedOfTheBrokerALargeBacklogHasALaneOfItsOwn) {
  source_.large_log = partition_id(2);
  starts();
  assigns({0, 1, 2, 3});
  const auto assigned = source_.assignment();
  ASSERT_EQ(assigned.size(), 4U);
  for (const Start& start : assigned) {
    EXPECT_EQ(start.lane, start.id == partition_id(2) ? 0U : 1U) << start.id.partition.value();
  }
}

TEST_F(IngesterTest, RecordsOfAnAssignedPartitionAreCommitted) {
  starts();
  assigns({1});
  source_.fake(0).publish(login(3, "acme", "event-00", 1));
  EXPECT_TRUE(eventually([&] { return db_.partition(1).next == Offset(4); }));
  stops();
  EXPECT_TRUE(drained_);
}

TEST_F(IngesterTest, GroupIsAnsweredWithNothingWhileTheDatabaseIsAwayAndWithEverythingWhenItIsBack) {
  database_down(true);
  starts();
  assigns({0, 1});
  EXPECT_TRUE(source_.assignment().empty());
  EXPECT_FALSE(ingester_.status().database_ok);
  EXPECT_EQ(ingester_.status().partitions.size(), 2u);
  database_down(false);
  EXPECT_TRUE(eventually([&] { return source_.assignment().size() == 2; }));
  EXPECT_TRUE(eventually([&] { return ingester_.status().database_ok; }));
  stops();
}

TEST_F(IngesterTest, PartitionThatCannotBeClaimedDoesNotHoldUpTheOthersAndJoinsThemLater) {
  source_.unknown_log = partition_id(5);
  starts();
  assigns({5, 0, 1});
  ASSERT_TRUE(eventually([&] { return source_.assignment().size() == 2; }));
  source_.fake(0).publish(login(3, "acme", "event-00"));
  ASSERT_TRUE(eventually([&] { return db_.partition(0).next == Offset(4); }));
  source_.know_all_logs();
  ASSERT_TRUE(eventually([&] { return source_.assignment().size() == 3; }));
  EXPECT_GE(source_.unassign_calls, 1) << "nothing is assigned over a live assignment";
  stops();
}

TEST_F(IngesterTest, AQuietPartitionWhoseCommitsTheDatabaseLostIsClaimedAgain) {
  EXPECT_CALL(probe_, commits_lost(partition_id(0), Offset(3)));
  starts();
  assigns({0});
  source_.fake(0).publish(login(3, "acme", "event-00"));
  ASSERT_TRUE(eventually([&] { return db_.partition(0).next == Offset(4); }));
  {
    const std::lock_guard lock(db_.mutex);
    db_.partitions.at(partition_id(0)) = {OwnerEpoch(1), Offset(3), Offset(3), {}};
    db_.chains.clear();
    db_.rows.clear();
  }
  ASSERT_TRUE(eventually([&] { return db_.partition(0).epoch == OwnerEpoch(2); }));
  ASSERT_TRUE(eventually([&] { return source_.assignment().size() == 1; }));
  EXPECT_EQ(source_.assignment()[0].offset, Offset(3));
  EXPECT_EQ(source_.unassign_calls, 1);
  stops();
}

TEST_F(IngesterTest, AHaltedPartitionIsClaimedAgainWhenItsLossIsAccepted) {
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::retention_overrun, _));
  EXPECT_CALL(probe_, commits_lost).Times(0);
  starts();
  assigns({0});
  source_.fake(0).extent_answer = Extent{Offset(9), Offset(9)};
  source_.fake(0).deliver(OutOfRange{partition_id(0)});
  ASSERT_TRUE(eventually([&] {
    const auto partitions = ingester_.status().partitions;
    return partitions.size() == 1 && partitions[0].state == PartitionState::halted;
  }));
  {
    const std::lock_guard lock(db_.mutex);
    db_.partitions.at(partition_id(0)) = {
        .epoch = OwnerEpoch(2), .first = Offset(9), .next = Offset(9), .last = {}, .log_epoch = LogEpoch(1)};
  }
  ASSERT_TRUE(eventually([&] { return db_.partition(0).epoch == OwnerEpoch(3); }));
  ASSERT_TRUE(eventually([&] { return source_.assignment().size() == 1; }));
  source_.fake(0).publish(login(9, "acme", "event-00"));
  EXPECT_TRUE(eventually([&] { return db_.partition(0).next == Offset(10); }));
  EXPECT_EQ(source_.assignment()[0].offset, Offset(9));
  stops();
}

TEST_F(IngesterTest, ALaneThatHangsInALostDatabaseDoesNotHoldUpTheOthers) {
  std::atomic<bool> hangs = false, hanging = false;
  db_.before_commit = [&](const WriteSet& writes) {
    if (writes.partitions[0].id != partition_id(1)) return;
    hanging = hangs.load();
    hangs.wait(true);
  };
  EXPECT_CALL(probe_, commits_lost(partition_id(1), Offset(3)));
  starts();
  assigns({0, 1});
  for (const int lane : {0, 1})
    source_.fake(lane).publish(login(3, "acme-" + std::to_string(lane), "event-00", lane));
  ASSERT_TRUE(
      eventually([&] { return db_.partition(0).next == Offset(4) && db_.partition(1).next == Offset(4); }));
  hangs = true;
  source_.fake(1).publish(login(4, "acme-1", "event-01", 1));
  ASSERT_TRUE(eventually([&] { return hanging.load(); }));
  {
    const std::lock_guard lock(db_.mutex);
    db_.partitions.at(partition_id(1)).next = Offset(3);
  }
  ASSERT_TRUE(eventually([&] { return db_.partition(0).epoch == OwnerEpoch(2); }));
  ASSERT_TRUE(eventually([&] { return source_.assignment().size() == 2; }));
  source_.fake(0).publish(login(4, "acme-0", "event-01", 0));
  EXPECT_TRUE(eventually([&] { return db_.partition(0).next == Offset(5); }));
  EXPECT_EQ(source_.unassign_calls, 1);
  for (const Start& start : source_.assignment()) EXPECT_EQ(start.lane, 0U) << "not the one that hangs";
  hangs = false;
  hangs.notify_all();
  stops();
}

TEST_F(IngesterTest, APartitionThatWasClaimedNeverBeginsAtTheEndAgain) {
  IngestOptions options = quick();
  options.start_new_partitions_at_end = true;
  Ingester ingester(
      options, keyring_, source_, [this](auto, auto) { return std::make_unique<FakeLedger>(db_); }, probe_);
  thread_ = std::jthread([&](std::stop_token stop) { drained_ = ingester.run(stop); });
  assigns({0});
  EXPECT_EQ(db_.partition(0).first, Offset(9)) << "the log's end";
  {
    const std::lock_guard lock(db_.mutex);
    db_.partitions.clear();
  }
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(db_.mutex);
    return db_.partitions.contains(partition_id(0));
  }));
  EXPECT_EQ(db_.partition(0).first, Offset(3)) << "the log's start: the row was lost, not new";
  stops();
}

TEST_F(IngesterTest, RevokeWhileClaimingForgetsWhatWasWanted) {
  database_down(true);
  starts();
  assigns({0, 1});
  ASSERT_TRUE(source_.group([](GroupListener& listener) { listener.revoked({}); }));
  database_down(false);
  assigns({1});
  ASSERT_EQ(source_.assignment().size(), 1u);
  EXPECT_FALSE(db_.partitions.contains(partition_id(0)));
  stops();
}

TEST_F(IngesterTest, RevokedPartitionsAreFlushedBeforeTheCallReturns) {
  starts();
  assigns({0});
  for (int i = 0; i < 200; ++i)
    source_.fake(0).publish(login(3 + i, "acme", "event-" + std::to_string(1000 + i)));
  ASSERT_TRUE(eventually([&] { return db_.partition(0).next > Offset(3); }));
  std::size_t rows = 0;
  ASSERT_TRUE(source_.group([&](GroupListener& listener) {
    listener.revoked({partition_id(0)});
    rows = db_.rows_of("acme").size();
  }));
  stops();
  EXPECT_EQ(db_.rows_of("acme").size(), rows) << "nothing is written after the partition was let go";
  EXPECT_TRUE(drained_);
}

TEST_F(IngesterTest, LostPartitionsAreDroppedAtOnce) {
  starts();
  assigns({0});
  database_down(true);
  source_.fake(0).publish(login(3, "acme", "event-00"));
  ASSERT_TRUE(eventually([&] { return !ingester_.status().lanes[0].database_ok; }));
  ASSERT_TRUE(source_.group([](GroupListener& listener) { listener.lost({partition_id(0)}); }));
  EXPECT_TRUE(ingester_.status().partitions.empty());
  stops();
}

TEST_F(IngesterTest, DrainWithTheDatabaseAwaySaysThatSomethingWasGivenUp) {
  starts();
  assigns({0});
  database_down(true);
  source_.fake(0).publish(login(3, "acme", "event-00"));
  ASSERT_TRUE(eventually([&] { return !ingester_.status().lanes[0].database_ok; }));
  stops();
  EXPECT_FALSE(drained_);
}

TEST_F(IngesterTest, StatusTellsReadinessAndHeartbeats) {
  EXPECT_FALSE(ingester_.status().joined);
  starts();
  assigns({0, 1});
  const IngesterStatus status = ingester_.status();
  EXPECT_TRUE(status.joined);
  EXPECT_EQ(status.lanes.size(), 2u);
  EXPECT_FALSE(status.draining);
  stops();
  EXPECT_TRUE(ingester_.status().draining);
}

}  // namespace
}  // namespace sealstream
