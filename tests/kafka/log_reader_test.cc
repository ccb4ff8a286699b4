// Goal: a command sees of a partition what a lane would be given there. Method: logs of a real broker, read
// from their start, behind their end, and where they were cut.

#include "kafka/log_reader.h"

#include <gtest/gtest.h>

#include "member.h"

namespace sealstream::test {
namespace {

constexpr milliseconds kSoon{30'000};

class LogReaderTest : public ::testing::Test {
 protected:
  /// "3" for the record at offset 3, "end 5", "out of range", or "nothing".
  std::string next() {
    const auto delivery = reader_.next(kSoon);
    if (!delivery) return "nothing";
    if (const auto* end = std::get_if<EndReached>(&*delivery))
      return "end " + std::to_string(end->end.value());
    if (std::holds_alternative<OutOfRange>(*delivery)) return "out of range";
    const Record& record = std::get<FetchedRecord>(*delivery).record;
    EXPECT_EQ(record.topic, id_.topic);
    EXPECT_TRUE(record.value);
    return std::to_string(record.offset.value());
  }

  void send_five() {
    Producer producer;
    producer.send_numbers(id_, 5);
    producer.flush();
  }

  const std::string topic_ = make_topic(2, {{"message.timestamp.type", "LogAppendTime"}});
  const PartitionId id_{topic_, Partition(1)};
  LogReader reader_{options_for({topic_})};
};

TEST_F(LogReaderTest, ReadsFromAnOffsetToTheEnd) {
  send_five();
  reader_.begin(id_, Offset(3));
  EXPECT_EQ(next(), "3");
  EXPECT_EQ(next(), "4");
  EXPECT_EQ(next(), "end 5");
}

TEST_F(LogReaderTest, BeginsElsewhereAsOftenAsAsked) {
  send_five();
  for (const std::int64_t offset : {4, 0, 2}) {
    reader_.begin(id_, Offset(offset));
    EXPECT_EQ(next(), std::to_string(offset));
  }
  reader_.begin({topic_, Partition(0)}, Offset(0));
  EXPECT_EQ(next(), "end 0");
}

TEST_F(LogReaderTest, SaysWhereALogDoesNotHoldTheOffset) {
  send_five();
  delete_records(id_, Offset(2));
  for (const std::int64_t offset : {1, 6}) {
    reader_.begin(id_, Offset(offset));
    EXPECT_EQ(next(), "out of range");
  }
  const auto extents = reader_.extents({&id_, 1}, kSoon);
  ASSERT_EQ(extents.size(), 1U);
  EXPECT_EQ(extents[0].second.start, Offset(2));
  EXPECT_EQ(extents[0].second.end, Offset(5));
}

TEST(LogReader, SaysNothingWhereNobodyListens) {
  LogReader reader(options_for({"audit.events.v1"}, "127.0.0.1:1"));
  reader.begin({"audit.events.v1", Partition(0)}, Offset(0));
  EXPECT_FALSE(reader.next(milliseconds(200)));
}

}  // namespace
}  // namespace sealstream::test
