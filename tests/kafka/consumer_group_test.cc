// Goal: partitions move between members without loss, doubling or standing still, however often the group
// rebalances. Method: a real broker and whole members that share what they have taken, as a database would.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "member.h"

namespace sealstream::test {
namespace {

std::vector<PartitionId> partitions_of(const std::string& topic, int count) {
  std::vector<PartitionId> ids;
  for (int p = 0; p < count; ++p) {
    ids.push_back({topic, Partition(p)});
  }
  return ids;
}

/// Sends `count` numbers to each, from `first` on.
void send_to_all(const std::vector<PartitionId>& ids, int count, int first) {
  Producer producer;
  for (const PartitionId& id : ids) {
    producer.send_numbers(id, count, first);
  }
  producer.flush();
}

std::vector<PartitionId> behind(const Taken& taken, const std::vector<PartitionId>& ids, std::int64_t next) {
  std::vector<PartitionId> found;
  for (const PartitionId& id : ids) {
    if (taken.next(id) < Offset(next)) {
      found.push_back(id);
    }
  }
  return found;
}

void expect_everything_once(const Taken& taken, const std::vector<PartitionId>& ids, int count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  for (const PartitionId& id : ids) {
    EXPECT_EQ(taken.of(id).offsets, all) << id.partition.value();
  }
}

TEST(ConsumerGroup, SharesPartitionsAndHandsThemOnWhenAMemberLeaves) {
  const std::string topic = make_topic(6);
  const std::vector<PartitionId> ids = partitions_of(topic, 6);
  const KafkaOptions options = options_for({topic});
  Taken taken;
  Member first(options, 2, taken);
  first.start();
  ASSERT_TRUE(eventually([&] { return first.assigned_now().size() == 6; }));
  Member second(options, 2, taken);
  second.start();
  ASSERT_TRUE(
      eventually([&] { return first.assigned_now().size() == 3 && second.assigned_now().size() == 3; }));
  send_to_all(ids, 100, 0);
  ASSERT_TRUE(eventually([&] { return behind(taken, ids, 100).empty(); }));

  first.stop();
  EXPECT_TRUE(first.assigned_now().empty()) << "revoked must be called for what is held";
  ASSERT_TRUE(eventually([&] { return second.assigned_now().size() == 6; }, milliseconds(5'000)))
      << "a member that left must not be waited for";
  send_to_all(ids, 100, 100);
  EXPECT_TRUE(eventually([&] { return behind(taken, ids, 200).empty(); }));
  expect_everything_once(taken, ids, 200);
}

TEST(ConsumerGroup, KeepsSixtyPartitionsFlowingThroughRebalances) {
  const std::string topic = make_topic(60);
  const std::vector<PartitionId> ids = partitions_of(topic, 60);
  const KafkaOptions options = options_for({topic});
  Taken taken;
  Member stays(options, 4, taken);
  stays.start();
  int sent = 0;
  for (int round = 0; round < 10; ++round) {
    Member guest(options, 4, taken);
    guest.start();
    ASSERT_TRUE(
        eventually([&] { return stays.assigned_now().size() == 30 && guest.assigned_now().size() == 30; }));
    send_to_all(ids, 5, sent);
    sent += 5;
    ASSERT_TRUE(eventually([&] { return behind(taken, ids, sent).empty(); }))
        << "round " << round << ", stuck: " << behind(taken, ids, sent).size();
    guest.stop();
    ASSERT_TRUE(eventually([&] { return stays.assigned_now().size() == 60; }));
    send_to_all(ids, 5, sent);
    sent += 5;
    ASSERT_TRUE(eventually([&] { return behind(taken, ids, sent).empty(); }))
        << "round " << round << ", stuck: " << behind(taken, ids, sent).size();
  }
  expect_everything_once(taken, ids, sent);
  EXPECT_EQ(stays.probe().forwards_lost(), 0);
}

TEST(ConsumerGroup, TakesAnEmptyAnswerAndThePartitionsLater) {
  const std::string topic = make_topic(12);
  const std::vector<PartitionId> ids = partitions_of(topic, 12);
  const KafkaOptions options = options_for({topic});
  send_to_all(ids, 10, 0);
  Taken taken;
  Member slow(options, 3, taken);
  slow.ticks_before_assign = 20;
  slow.start();
  ASSERT_TRUE(eventually([&] { return behind(taken, ids, 10).empty(); }));

  Member other(options, 3, taken);
  other.start();
  ASSERT_TRUE(eventually([&] { return slow.assigned_now().size() == 6 && other.assigned_now().size() == 6; }))
      << "a later rebalance must be a normal one";
  send_to_all(ids, 10, 10);
  ASSERT_TRUE(eventually([&] { return behind(taken, ids, 20).empty(); }));
  expect_everything_once(taken, ids, 20);
  EXPECT_EQ(slow.probe().forwards_lost(), 0);
}

TEST(ConsumerGroup, GivesTheLaneOfAPartitionNumberToEveryTopic) {
  const std::vector<std::string> topics = {make_topic(4), make_topic(4)};
  Taken taken;
  Member member(options_for(topics), 2, taken);
  member.start();
  for (const std::string& topic : topics) {
    send_to_all(partitions_of(topic, 4), 10, 0);
  }
  for (const std::string& topic : topics) {
    for (const PartitionId& id : partitions_of(topic, 4)) {
      ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(10); }));
      EXPECT_THAT(taken.of(id).lanes, testing::ElementsAre(id.partition.value() % 2));
    }
  }
}

TEST(ConsumerGroup, FindsPartitionsThatWereAdded) {
  const std::string topic = make_topic(2);
  Taken taken;
  Member member(options_for({topic}), 2, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return member.assigned_now().size() == 2; }));
  add_partitions(topic, 4);
  EXPECT_TRUE(eventually([&] { return member.assigned_now().size() == 4; }));
  const std::vector<PartitionId> ids = partitions_of(topic, 4);
  send_to_all(ids, 3, 0);
  EXPECT_TRUE(eventually([&] { return behind(taken, ids, 3).empty(); }));
}

TEST(ConsumerGroup, IsLeftInOrderWhenTheListenerThrows) {
  const std::string topic = make_topic(2);
  KafkaOptions options = options_for({topic});
  Taken taken;
  {
    Member broken(options, 1, taken);
    broken.on_assigned = [] { throw std::runtime_error("no claim"); };
    broken.start();
    ASSERT_TRUE(eventually([&] { return broken.ended(); }));
    broken.stop();
    EXPECT_THROW(std::rethrow_exception(broken.thrown), std::runtime_error);
  }
  Member next(options, 1, taken);
  next.start();
  EXPECT_TRUE(eventually([&] { return next.assigned_now().size() == 2; }, milliseconds(5'000)));
}

TEST(ConsumerGroup, IsLeftSoonHoweverOftenOneLeaves) {
  const std::string topic = make_topic(2);
  const std::vector<PartitionId> ids = partitions_of(topic, 2);
  KafkaOptions options = options_for({topic});
  options.group_instance_id = "one-place";  // comes back at once
  Taken taken;
  for (int time = 0; time < 150; ++time) {
    send_to_all(ids, 1, time);
    Member member(options, 2, taken);
    member.start();
    ASSERT_TRUE(eventually([&] { return behind(taken, ids, time + 1).empty(); }));
    const auto begin = std::chrono::steady_clock::now();
    member.stop();  // waits for ever, where librdkafka owes an answer
    EXPECT_LT(std::chrono::steady_clock::now() - begin, options.leave_deadline);
  }
  expect_everything_once(taken, ids, 150);
}

TEST(ConsumerGroup, SaysSoWhenAnotherProcessTakesItsPlaceForGood) {
  const std::string topic = make_topic(2);
  KafkaOptions options = options_for({topic});
  options.group_instance_id = "one-place";
  Taken taken;
  Member first(options, 1, taken);
  first.start();
  ASSERT_TRUE(eventually([&] { return first.assigned_now().size() == 2; }));
  Member second(options, 1, taken);
  second.start();
  ASSERT_TRUE(eventually([&] { return first.ended(); }));
  first.stop();
  EXPECT_THROW(std::rethrow_exception(first.thrown), SourceError);
  EXPECT_TRUE(first.assigned_now().empty());
  EXPECT_TRUE(eventually([&] { return second.assigned_now().size() == 2; }));
}

TEST(ConsumerGroup, IsOutOfRangeWhenItsTopicWasMadeAgain) {
  const std::string topic = make_topic(3);
  const std::vector<PartitionId> ids = partitions_of(topic, 3);
  Taken taken;
  Member member(options_for({topic}), 2, taken);
  member.start();
  send_to_all(ids, 50, 0);
  ASSERT_TRUE(eventually([&] { return behind(taken, ids, 50).empty(); }));
  delete_topic(topic);
  ASSERT_TRUE(eventually([&] { return member.assigned_now().empty(); }));
  make_topic_named(topic, 3);
  send_to_all(ids, 10, 0);
  for (const PartitionId& id : ids) {
    EXPECT_TRUE(eventually([&] { return taken.of(id).out_of_range > 0; })) << id.partition.value();
  }
  for (const PartitionId& id : ids) {
    member.on_lane(static_cast<std::size_t>(id.partition.value()) % 2, [&](RecordStream& stream) {
      taken.go_to(id, Offset(0));
      stream.seek(id, Offset(0));
    });
  }
  EXPECT_TRUE(eventually([&] { return behind(taken, ids, 10).empty(); }));
}

TEST(ConsumerGroup, MirrorsOffsetsForLagTools) {
  const std::string topic = make_topic(1);
  const PartitionId id{topic, Partition(0)};
  const KafkaOptions options = options_for({topic});
  send_to_all({id}, 10, 0);
  Taken taken;
  Member member(options, 1, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(10); }));
  const std::pair<PartitionId, Offset> position{id, Offset(7)};
  member.on_lane(0, [&](RecordStream& stream) { stream.mirror({&position, 1}); });
  EXPECT_TRUE(eventually([&] { return committed_offset(options.group_id, id) == 7; }));
}

}  // namespace
}  // namespace sealstream::test
