// Goal: a lane can go to any offset at any time, and is told where the broker has none. Method: seeks back
// and forth while a producer sends, and partitions whose beginning or end lies elsewhere.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "member.h"

namespace sealstream::test {
namespace {

TEST(ConsumerSeek, BackAndForthWhileProducingLosesNothing) {
  const std::string topic = make_topic(4);
  const PartitionId id{topic, Partition(1)};
  const PartitionId neighbour{topic, Partition(3)};  // in the same lane
  Taken taken;
  Member member(options_for({topic}), 2, taken);
  member.start();
  std::jthread publishing([&](std::stop_token stop) {
    Producer producer;
    for (int sent = 0; !stop.stop_requested(); sent += 10) {
      producer.send_numbers(id, 10, sent);
      producer.send_numbers(neighbour, 10, sent);
      producer.flush();
    }
  });
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const Offset before = taken.next(id);
    ASSERT_TRUE(eventually([&] { return taken.next(id).value() >= before.value() + 5; }))
        << "round " << round;
    member.on_lane(1, [&](RecordStream& stream) {
      const std::int64_t next = taken.next(id).value();
      const Offset target(std::uniform_int_distribution<std::int64_t>(0, next)(random));
      stream.seek(id, target);
      taken.go_to(id, target);
    });
  }
  publishing = {};
  Producer producer;
  producer.send(id, "last");
  producer.send(neighbour, "last");
  producer.flush();
  for (const PartitionId& each : {id, neighbour}) {
    ASSERT_TRUE(
        eventually([&] { return !taken.of(each).values.empty() && taken.of(each).values.back() == "last"; }));
  }
  const std::vector<std::int64_t> offsets = taken.of(id).offsets;
  std::int64_t jumps = 0;
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    ASSERT_LE(offsets[i], offsets[i - 1] + 1) << "a record was passed over";
    jumps += offsets[i] == offsets[i - 1] + 1 ? 0 : 1;
  }
  EXPECT_GT(jumps, 50);
  EXPECT_EQ(taken.of(neighbour).offsets.size(), static_cast<std::size_t>(taken.next(neighbour).value()));
  EXPECT_EQ(member.probe().forwards_lost(), 0);
}

TEST(ConsumerSeek, BehindTheEndIsOutOfRangeAndGoesOnAfterAnotherSeek) {
  const std::string topic = make_topic(2);
  const PartitionId id{topic, Partition(0)};
  const PartitionId neighbour{topic, Partition(1)};
  Producer producer;
  producer.send_numbers(id, 10);
  producer.send_numbers(neighbour, 10);
  producer.flush();
  Taken taken;
  taken.go_to(id, Offset(1'000));
  Member member(options_for({topic}), 1, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return taken.of(id).out_of_range == 1; }));
  EXPECT_TRUE(eventually([&] { return taken.next(neighbour) == Offset(10); }));

  member.on_lane(0, [&](RecordStream& stream) {
    taken.go_to(id, Offset(4));
    stream.seek(id, Offset(4));
  });
  EXPECT_TRUE(eventually([&] { return taken.next(id) == Offset(10); }));
  producer.send_numbers(id, 10, 10);
  producer.send_numbers(neighbour, 10, 10);
  producer.flush();
  EXPECT_TRUE(
      eventually([&] { return taken.next(id) == Offset(20) && taken.next(neighbour) == Offset(20); }));
  EXPECT_THAT(taken.of(id).values.front(), "4");
  EXPECT_EQ(taken.of(neighbour).offsets.size(), 20U);
  EXPECT_EQ(taken.of(id).out_of_range, 1);
}

TEST(ConsumerSeek, BeforeTheBeginningIsOutOfRangeAndNothingIsSkippedSilently) {
  const std::string topic = make_topic(12);
  std::vector<PartitionId> ids;
  Producer producer;
  for (int p = 0; p < 12; ++p) {
    ids.push_back({topic, Partition(p)});
    producer.send_numbers(ids.back(), 10);
  }
  producer.flush();
  for (const PartitionId& id : ids) {
    delete_records(id, Offset(6));
  }
  Taken taken;
  Member member(options_for({topic}), 3, taken);
  member.start();
  for (const PartitionId& id : ids) {
    ASSERT_TRUE(eventually([&] { return taken.of(id).out_of_range > 0; }));
    EXPECT_TRUE(taken.of(id).offsets.empty());
  }
  for (const PartitionId& id : ids) {
    member.on_lane(static_cast<std::size_t>(id.partition.value()) % 3, [&](RecordStream& stream) {
      const std::optional<Extent> extent = stream.extent(id, milliseconds(5'000));
      ASSERT_TRUE(extent.has_value());
      EXPECT_EQ(extent->start, Offset(6));
      EXPECT_EQ(extent->end, Offset(10));
      taken.go_to(id, extent->start);
      stream.seek(id, extent->start);
    });
  }
  for (const PartitionId& id : ids) {
    EXPECT_TRUE(eventually([&] { return taken.next(id) == Offset(10); })) << id.partition.value();
    EXPECT_THAT(taken.of(id).offsets, testing::ElementsAre(6, 7, 8, 9));
  }
  EXPECT_EQ(member.probe().forwards_lost(), 0);
}

TEST(ConsumerSeek, OfAPartitionThatIsNotAssignedIsRefused) {
  const std::string topic = make_topic(1);
  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return member.assigned_now().size() == 1; }));
  member.on_lane(0, [&](RecordStream& stream) {
    EXPECT_THROW(stream.seek({topic, Partition(5)}, Offset(0)), SourceError);
  });
}

}  // namespace
}  // namespace sealstream::test
