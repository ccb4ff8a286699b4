// Goal: a partition whose forwarding was lost is noticed, counted and forwarded again, and records of an
// earlier assignment are not taken for progress. Method: an assignment without a group, whose forwarding the
// test takes away behind its back.

#include "kafka/assignment.h"

#include <gtest/gtest.h>

#include "kafka/client.h"
#include "kafka/extent_watch.h"
#include "member.h"

namespace sealstream::test {
namespace {

struct NoCallbacks final : ClientCallbacks {
  void rebalanced(int, rd_kafka_topic_partition_list_s*) noexcept override {}
  void failed(const char*, const char*) noexcept override {}
};

class AssignmentTest : public testing::Test {
 protected:
  void send(int first, int count) {
    Producer producer;
    producer.send_numbers(id_, count, first);
    producer.flush();
  }

  void take_until(std::int64_t next) {
    EXPECT_TRUE(eventually([&] {
      while (const std::optional<Delivery> delivery = stream_.next(milliseconds(10))) {
        taken_.take(0, *delivery);
      }
      return taken_.next(id_) >= Offset(next);
    }));
  }

  /// As librdkafka does when a fetcher stops.
  void take_forwarding_away(rd_kafka_queue_s* to) {
    const Queue own(rd_kafka_queue_get_partition(client_.get(), id_.topic.c_str(), id_.partition.value()));
    rd_kafka_queue_forward(own.get(), to);
  }

  const PartitionId id_{make_topic(1), Partition(0)};
  KafkaOptions options_ = options_for({id_.topic});
  NoCallbacks callbacks_;
  RecordingProbe probe_;
  Client client_ = make_member(options_, callbacks_);
  Queue lane_queue_{rd_kafka_queue_new(client_.get())};
  Assignment assignment_{client_.get(), {lane_queue_.get()}, probe_};
  ExtentWatch watch_{client_.get(), assignment_, 1, options_, probe_};
  LaneStream stream_{0, client_.get(), lane_queue_.get(), assignment_, watch_, options_, probe_};
  Taken taken_;
};

TEST_F(AssignmentTest, ForwardsAgainWhenAQueueKeepsARecordForItself) {
  const Start start{id_, Offset(0), 0};
  assignment_.assign({&start, 1});
  send(0, 5);
  take_until(5);
  assignment_.mend();
  EXPECT_EQ(probe_.forwards_lost(), 0);

  take_forwarding_away(nullptr);
  send(5, 5);
  ASSERT_TRUE(eventually([&] { return assignment_.assigned().front()->strayed.load(); }));
  assignment_.mend();
  take_until(10);
  EXPECT_EQ(taken_.of(id_).offsets.size(), 10U) << "what the queue kept must not be lost";
  EXPECT_EQ(probe_.forwards_lost(), 1);
}

TEST_F(AssignmentTest, ForwardsAgainWhenAPartitionLagsAndItsLaneGetsNothing) {
  KafkaOptions impatient = options_;
  impatient.stall_after = milliseconds(500);
  const Start start{id_, Offset(0), 0};
  assignment_.assign({&start, 1});
  send(0, 5);
  take_until(5);
  const Queue elsewhere(rd_kafka_queue_new(client_.get()));
  take_forwarding_away(elsewhere.get());
  send(5, 5);
  {
    ExtentWatch watch(client_.get(), assignment_, 1, impatient, probe_);
    ASSERT_TRUE(eventually([&] { return assignment_.assigned().front()->strayed.load(); }));
  }
  assignment_.mend();
  EXPECT_EQ(probe_.forwards_lost(), 1);
  send(10, 1);
  take_until(11);
}

TEST_F(AssignmentTest, KnowsThePositionOfItsLane) {
  const Start start{id_, Offset(0), 0};
  assignment_.assign({&start, 1});
  send(0, 5);
  take_until(5);
  Held& held = *assignment_.assigned().front();
  EXPECT_EQ(held.position(), Offset(5));
  held.advance(assignment_.number() - 1, Offset(99));
  EXPECT_EQ(held.position(), Offset(5)) << "of an earlier assignment";
}

TEST_F(AssignmentTest, DiesOnAnAssignmentOverALiveOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Start start{id_, Offset(0), 0};
  assignment_.assign({&start, 1});
  EXPECT_DEATH(assignment_.assign({&start, 1}), "assigned");
}

TEST_F(AssignmentTest, TakesOverOnceItIsEmpty) {
  const Start start{id_, Offset(0), 0};
  assignment_.assign({});
  assignment_.assign({&start, 1});
  send(0, 5);
  take_until(5);
  for (int round = 0; round < 20; ++round) {
    assignment_.unassign();
    EXPECT_TRUE(assignment_.assigned().empty());
    const Start again{id_, taken_.next(id_), 0};
    assignment_.assign({&again, 1});
    send(5 + round, 1);
    take_until(6 + round);
  }
  assignment_.mend();
  EXPECT_EQ(taken_.of(id_).offsets.size(), 25U);
  EXPECT_EQ(probe_.forwards_lost(), 0);
}

}  // namespace
}  // namespace sealstream::test
