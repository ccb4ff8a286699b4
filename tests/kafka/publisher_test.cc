// Goal: what a command publishes is in the log, whole and in the tenant's partition, when publish returns;
// what is not is an error in time, with a sentence. Method: a real broker read by a whole member of a group,
// a topic that is not there, and an address where nobody listens. The partitions are those that
// kafka-python's murmur2 computes.

#include "kafka/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/topic_facts.h"
#include "member.h"

namespace sealstream::test {
namespace {

using testing::HasSubstr;

std::string failure(Publisher& publisher, const std::string& topic) {
  try {
    publisher.publish({topic, "acme", "{}"});
  } catch (const SourceError& error) {
    return error.what();
  }
  return "";
}

TEST(Publisher, PutsARecordIntoItsTenantsPartition) {
  const std::string topic = make_topic(12);
  Publisher publisher(options_for({topic}), milliseconds(30'000));
  const std::string value("{\"a\":\0}", 7);
  for (const auto& [tenant, number] : {std::pair("acme", 0), {"globex", 7}, {"initech", 6}}) {
    const PublishedRecord first =
        publisher.publish({topic, tenant, value, {{"content-type", "a/b"}, {"x", ""}}});
    EXPECT_EQ(first.id, (PartitionId{topic, Partition(number)}));
    EXPECT_EQ(first.offset, Offset(0));
    EXPECT_EQ(publisher.publish({topic, tenant, "second"}).offset, Offset(1));
  }
}

TEST(Publisher, PublishesKeyValueAndHeadersAsTheyAre) {
  const std::string topic = make_topic(1);
  const std::string value("{\"a\":\0}", 7);
  Publisher publisher(options_for({topic}), milliseconds(30'000));
  publisher.publish({topic, "acme", value, {{"content-type", "a/b"}, {"x", ""}}});

  Taken taken;
  Member member(options_for({topic}), 1, taken);
  member.rest(true);
  member.start();
  std::vector<FetchedRecord> records;
  ASSERT_TRUE(eventually([&] {
    member.on_lane(0, [&](RecordStream& stream) {
      while (std::optional<Delivery> delivery = stream.next(milliseconds(100))) {
        if (auto* fetched = std::get_if<FetchedRecord>(&*delivery)) records.push_back(std::move(*fetched));
      }
    });
    return !records.empty();
  }));
  const Record& record = records[0].record;
  EXPECT_EQ(record.key, "acme");
  EXPECT_EQ(record.value, value);
  ASSERT_EQ(record.headers.size(), 2U);
  EXPECT_EQ(record.headers[0].name, "content-type");
  EXPECT_EQ(record.headers[0].value, "a/b");
  EXPECT_EQ(record.headers[1].name, "x");
  EXPECT_EQ(record.headers[1].value, "");
  records.clear();
  member.stop();
}

TEST(Publisher, NamesATopicThatIsNotThereAndDoesNotMakeIt) {
  const std::string missing = fresh_name("missing");
  Publisher publisher(options_for({missing}), milliseconds(30'000));
  EXPECT_THAT(failure(publisher, missing), HasSubstr(missing + ": the record was not published"));
  EXPECT_EQ(partition_count(options_for({missing}), missing, milliseconds(10'000)), std::nullopt);
}

TEST(Publisher, SaysWhatTheBrokerRefuses) {
  const std::string topic = make_topic(1, {{"max.message.bytes", "1000"}});
  Publisher publisher(options_for({topic}), milliseconds(30'000));
  try {
    publisher.publish({topic, "acme", std::string(2'000, 'x')});
    ADD_FAILURE() << "a record that is too large was taken";
  } catch (const SourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the record was not published: Broker: Message size too large"));
  }
  EXPECT_EQ(publisher.publish({topic, "acme", "small"}).offset, Offset(0));
}

TEST(Publisher, GivesUpInTimeWhereNobodyListens) {
  Publisher publisher(options_for({"audit.events.v1"}, "127.0.0.1:1"), milliseconds(500));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THAT(failure(publisher, "audit.events.v1"), HasSubstr("the record was not published"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(10'000));
}

TEST(Publisher, RefusesPropertiesThatIdempotenceForbids) {
  KafkaOptions options = options_for({"audit.events.v1"}, "127.0.0.1:1");
  options.properties = {{"max.in.flight.requests.per.connection", "100"}};
  EXPECT_THROW(Publisher(options, milliseconds(500)), SourceError);
  options.properties = {{"acks", "1"}, {"partitioner", "random"}};
  EXPECT_NO_THROW(Publisher(options, milliseconds(500))) << "ours count";
}

}  // namespace
}  // namespace sealstream::test
