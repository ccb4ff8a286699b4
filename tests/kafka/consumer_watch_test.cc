// Goal: a lane is told, once, that its log is another one, however far that has grown; and of a log that is
// its own nothing is ever said. Method: a real broker whose topic is made again beside a whole member of a
// group.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/log_reader.h"
#include "member.h"

namespace sealstream::test {
namespace {

using testing::ElementsAre;

class ConsumerWatch : public ::testing::Test {
 protected:
  void send(const PartitionId& id, int count) {
    Producer producer;
    producer.send_numbers(id, count);
    producer.flush();
  }

  Witness first_of(const PartitionId& id) {
    LogReader reader(options_for({id.topic}));
    reader.begin(id, Offset(0));
    const auto delivery = reader.next(milliseconds(30'000));
    EXPECT_TRUE(delivery && std::holds_alternative<FetchedRecord>(*delivery));
    const Record& record = std::get<FetchedRecord>(*delivery).record;
    return {record.offset, record.timestamp};
  }

  void watch(const PartitionId& id, const Witness& witness) {
    member_.on_lane(0, [&](RecordStream& stream) { stream.watch(id, witness); });
  }

  const std::string topic_ = make_topic(2, {{"message.timestamp.type", "LogAppendTime"}});
  const PartitionId id_{topic_, Partition(0)};
  const PartitionId neighbour_{topic_, Partition(1)};
  Taken taken_;
  Member member_{options_for({topic_}), 1, taken_};
};

TEST_F(ConsumerWatch, TellsOnceThatATopicWasMadeAgainHoweverFarItHasGrown) {
  send(id_, 10);
  const Witness witness = first_of(id_);
  member_.start();
  ASSERT_TRUE(eventually([&] { return taken_.next(id_) == Offset(10); }));
  watch(id_, witness);
  make_again(topic_, 2);
  send(id_, 500);
  ASSERT_TRUE(eventually([&] { return !taken_.of(id_).another_logs.empty(); }));

  send(neighbour_, 5);
  watch(neighbour_, {Offset(5), first_of(neighbour_).time - milliseconds(1)});
  ASSERT_TRUE(eventually([&] { return !taken_.of(neighbour_).another_logs.empty(); }));
  EXPECT_THAT(taken_.of(id_).another_logs, ElementsAre(witness)) << "the same questions were asked of both";
}

TEST_F(ConsumerWatch, SaysNothingOfALogThatIsItsOwn) {
  send(id_, 10);
  send(neighbour_, 10);
  const Witness witness = first_of(id_);
  const Witness of_another{Offset(9), witness.time - milliseconds(1)};
  member_.start();
  ASSERT_TRUE(eventually([&] { return taken_.next(id_) == Offset(10); }));
  watch(id_, witness);
  watch(neighbour_, of_another);
  ASSERT_TRUE(eventually([&] { return !taken_.of(neighbour_).another_logs.empty(); }));
  delete_records(id_, Offset(5));
  watch(neighbour_, of_another);
  ASSERT_TRUE(eventually([&] { return taken_.of(neighbour_).another_logs.size() == 2; }));
  EXPECT_TRUE(taken_.of(id_).another_logs.empty()) << "the same questions were asked of both";
}

TEST_F(ConsumerWatch, GoesOnAskingOfALogWhoseClockWentBack) {
  constexpr std::int64_t kThen = 1'790'000'000'000, kHour = 3'600'000;
  const std::string topic = make_topic(2, {{"message.timestamp.type", "CreateTime"}, {"retention.ms", "-1"}});
  const PartitionId id{topic, Partition(0)}, neighbour{topic, Partition(1)};
  Producer producer;
  for (const PartitionId& each : {id, neighbour}) {
    producer.send(each, Message{"key", "before", {}, kThen + kHour});
    producer.send(each, Message{"key", "witness", {}, kThen});
  }
  producer.flush();
  const Witness witness{Offset(1), Timestamp(milliseconds(kThen))};
  const Witness of_another{Offset(1), witness.time - milliseconds(1)};
  KafkaOptions options = options_for({topic});
  options.extent_interval = milliseconds(100);
  options.witness_rest = milliseconds(100);
  Taken taken;
  Member member(options, 1, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(2) && taken.next(neighbour) == Offset(2); }));
  const auto watch = [&](const PartitionId& of, const Witness& from) {
    member.on_lane(0, [&](RecordStream& stream) { stream.watch(of, from); });
  };
  watch(id, witness);
  for (std::size_t told = 1; told <= 2; ++told) {
    watch(neighbour, of_another);
    ASSERT_TRUE(eventually([&] { return taken.of(neighbour).another_logs.size() == told; }));
  }
  EXPECT_TRUE(taken.of(id).another_logs.empty()) << "the same questions were asked of both";
  make_again(topic, 2);
  send(id, 500);
  EXPECT_TRUE(eventually([&] { return !taken.of(id).another_logs.empty(); }));
}

}  // namespace
}  // namespace sealstream::test
