// Goal: what a lane is given is what was published: whole, in order, in the right lane, up to the end that a
// reader may see. Method: a real broker, records of a producer of librdkafka's, plain and transactional, read
// by a whole member of a group.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "member.h"

namespace sealstream::test {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) {
    all.push_back(i);
  }
  return all;
}

TEST(ConsumerRecords, ArriveInOrderInTheLaneOfTheirPartition) {
  const std::string topic = make_topic(6);
  Producer producer;
  for (int p = 0; p < 6; ++p) {
    producer.send_numbers({topic, Partition(p)}, 500);
  }
  producer.flush();

  Taken taken;
  Member member(options_for({topic}), 3, taken);
  member.start();

  for (int p = 0; p < 6; ++p) {
    const PartitionId id{topic, Partition(p)};
    ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(500); })) << p;
    EXPECT_EQ(taken.of(id).offsets, numbers(500));
    EXPECT_EQ(taken.of(id).values.back(), "499");
    EXPECT_THAT(taken.of(id).lanes, ElementsAre(static_cast<std::size_t>(p % 3)));
    EXPECT_EQ(taken.of(id).dropped, 0);
  }
  EXPECT_EQ(member.probe().forwards_lost(), 0);
}

TEST(ConsumerRecords, HaveKeyValueHeadersAndTheBrokersTime) {
  const std::string topic = make_topic(1);
  const PartitionId id{topic, Partition(0)};
  const auto before = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  Producer producer;
  producer.send(
      id,
      {"tenant-a", std::string("a\0b", 3), {{"ce_id", "1"}, {"none", std::nullopt}, {"ce_id", ""}}, 1'000});
  producer.send(id, {std::nullopt, std::nullopt, {}, 0});
  producer.send(id, {"", "", {}, 0});
  producer.flush();

  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.rest(true);
  member.start();
  std::vector<FetchedRecord> records;
  const auto take_all = [&](RecordStream& stream) {
    while (std::optional<Delivery> delivery = stream.next(milliseconds(100))) {
      if (auto* fetched = std::get_if<FetchedRecord>(&*delivery)) {
        records.push_back(std::move(*fetched));
      }
    }
  };
  ASSERT_TRUE(eventually([&] {
    member.on_lane(0, take_all);
    return records.size() == 3;
  }));

  const Record& first = records[0].record;
  EXPECT_EQ(first.topic, topic);
  EXPECT_EQ(first.partition, Partition(0));
  EXPECT_EQ(first.offset, Offset(0));
  EXPECT_EQ(first.key, "tenant-a");
  EXPECT_EQ(first.value, std::string("a\0b", 3));
  ASSERT_EQ(first.headers.size(), 3U);
  EXPECT_EQ(first.headers[0].name, "ce_id");
  EXPECT_EQ(first.headers[0].value, "1");
  EXPECT_EQ(first.headers[1].value, std::nullopt);
  EXPECT_EQ(first.headers[2].value, "");
  EXPECT_TRUE(records[0].log_append_time);
  EXPECT_GE(first.timestamp, before);
  EXPECT_LE(first.timestamp, std::chrono::system_clock::now());
  EXPECT_EQ(records[1].record.key, std::nullopt);
  EXPECT_EQ(records[1].record.value, std::nullopt);
  EXPECT_TRUE(records[1].record.headers.empty());
  EXPECT_EQ(records[2].record.key, "");
  EXPECT_EQ(records[2].record.value, "");
  member.stop();
}

TEST(ConsumerRecords, WithTheirProducersTimeSaySo) {
  const std::string topic = make_topic(1, {{"message.timestamp.type", "CreateTime"}});
  const PartitionId id{topic, Partition(0)};
  Producer producer;
  producer.send(id, {"k", "v", {}, 1'700'000'000'123});
  producer.flush();

  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.rest(true);
  member.start();
  bool seen = false;
  const auto look = [&](RecordStream& stream) {
    const std::optional<Delivery> delivery = stream.next(milliseconds(100));
    if (delivery && std::holds_alternative<FetchedRecord>(*delivery)) {
      const auto& fetched = std::get<FetchedRecord>(*delivery);
      EXPECT_FALSE(fetched.log_append_time);
      EXPECT_EQ(fetched.record.timestamp, Timestamp(std::chrono::milliseconds(1'700'000'000'123)));
      seen = true;
    }
  };
  EXPECT_TRUE(eventually([&] {
    member.on_lane(0, look);
    return seen;
  }));
}

TEST(ConsumerRecords, EndBehindControlRecordsAndAbortedTransactions) {
  const std::string topic = make_topic(1);
  const PartitionId id{topic, Partition(0)};
  Producer producer(broker_address(), fresh_name("transaction"));
  producer.begin();
  producer.send_numbers(id, 3);
  producer.commit();  // offsets 0 to 2, control record 3
  producer.begin();
  producer.send_numbers(id, 2);
  producer.flush();
  producer.abort();  // 4 and 5, control record 6

  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.start();

  EXPECT_TRUE(eventually([&] { return taken.next(id) == Offset(7); }));
  EXPECT_THAT(taken.of(id).offsets, ElementsAre(0, 1, 2));
  EXPECT_GE(taken.of(id).ends, 1);
}

TEST(ConsumerRecords, OfAnOpenTransactionAreBehindTheEnd) {
  const std::string topic = make_topic(1);
  const PartitionId id{topic, Partition(0)};
  Producer producer(broker_address(), fresh_name("transaction"));
  producer.begin();
  producer.send_numbers(id, 2);
  producer.commit();
  producer.begin();
  producer.send_numbers(id, 5);
  producer.flush();

  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.start();
  ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(3); }));
  std::optional<Extent> extent;
  member.on_lane(0, [&](RecordStream& stream) { extent = stream.extent(id, milliseconds(5'000)); });
  ASSERT_TRUE(extent.has_value());
  EXPECT_EQ(extent->start, Offset(0));
  EXPECT_EQ(extent->end, Offset(3)) << "the high watermark is 8";
  EXPECT_TRUE(eventually([&] { return member.probe().extents()[id].end == Offset(3); }));

  producer.commit();
  EXPECT_TRUE(eventually([&] { return taken.next(id) == Offset(9); }));
  EXPECT_TRUE(eventually([&] { return member.probe().extents()[id].end == Offset(9); }));
}

TEST(ConsumerRecords, ReportedWithExtentsTopicsAndBrokers) {
  const std::string topic = make_topic(3);
  Producer producer;
  producer.send_numbers({topic, Partition(1)}, 7);
  producer.flush();
  Taken taken;
  Member member(options_for({topic}), 2, taken);
  member.start();

  EXPECT_TRUE(eventually([&] { return member.probe().extents().size() == 3; }));
  EXPECT_EQ((member.probe().extents()[{topic, Partition(1)}].end), Offset(7));
  EXPECT_EQ((member.probe().extents()[{topic, Partition(2)}].end), Offset(0));
  EXPECT_TRUE(eventually([&] { return member.probe().topics()[topic] == 3; }));
  EXPECT_EQ(member.probe().brokers(), 1);
}

}  // namespace
}  // namespace sealstream::test
