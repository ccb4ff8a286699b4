// Goal: a command sees of a partition what a lane would be given there. Method: logs of a real broker, read
// from their start, behind their end, where they were cut, and made again.

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

  Witness witness_at(std::int64_t offset) {
    reader_.begin(id_, Offset(offset));
    const auto delivery = reader_.next(kSoon);
    EXPECT_TRUE(delivery && std::holds_alternative<FetchedRecord>(*delivery));
    const Record& record = std::get<FetchedRecord>(*delivery).record;
    return {record.offset, record.timestamp};
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

TEST_F(LogReaderTest, KnowsALogByItsWitnessWhateverRetentionTook) {
  send_five();
  const Witness first = witness_at(0), third = witness_at(2);
  send_five();
  EXPECT_EQ(reader_.is_log_of(id_, first, kSoon), true);
  delete_records(id_, Offset(2));
  EXPECT_EQ(reader_.is_log_of(id_, first, kSoon), true);
  EXPECT_EQ(reader_.is_log_of(id_, third, kSoon), true);
  delete_records(id_, Offset(10));
  EXPECT_EQ(reader_.is_log_of(id_, third, kSoon), true);
}

TEST_F(LogReaderTest, KnowsALogThatWasMadeAgainAndGrewByTheWitnessOfTheOneBefore) {
  send_five();
  const Witness first = witness_at(0), third = witness_at(2);
  make_again(topic_, 2);
  send_five();
  send_five();
  EXPECT_TRUE(eventually([&] { return reader_.is_log_of(id_, third, kSoon) == false; }));
  EXPECT_EQ(reader_.is_log_of(id_, first, kSoon), false);
  delete_records(id_, Offset(2));
  EXPECT_EQ(reader_.is_log_of(id_, third, kSoon), false);
}

TEST_F(LogReaderTest, LooksAtTheWitnessWhereAClockWentBackBeforeIt) {
  const std::string topic = make_topic(1, {{"message.timestamp.type", "CreateTime"}});
  const PartitionId id{topic, Partition(0)};
  Producer producer;
  producer.send(id, {"k", "v", {}, 1'700'000'100'000});
  producer.send(id, {"k", "v", {}, 1'700'000'000'000});
  producer.flush();
  const Witness witness{Offset(1), Timestamp(milliseconds(1'700'000'000'000))};
  EXPECT_EQ(reader_.is_log_of(id, witness, kSoon), true);
  EXPECT_EQ(reader_.is_log_of(id, {Offset(1), witness.time - milliseconds(1)}, kSoon), false);
  EXPECT_EQ(reader_.is_log_of(id, {Offset(2), witness.time}, kSoon), false) << "cut at the witness";
  EXPECT_EQ(reader_.is_log_of(id, {Offset(3), witness.time}, kSoon), false) << "cut before it";
}

TEST(LogReader, SaysNothingWhereNobodyListens) {
  LogReader reader(options_for({"audit.events.v1"}, "127.0.0.1:1"));
  const PartitionId id{"audit.events.v1", Partition(0)};
  reader.begin(id, Offset(0));
  EXPECT_FALSE(reader.next(milliseconds(200)));
  EXPECT_EQ(reader.is_log_of(id, {Offset(0), Timestamp{}}, milliseconds(200)), std::nullopt);
}

}  // namespace
}  // namespace sealstream::test
