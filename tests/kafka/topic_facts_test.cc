// Goal: whoever checks a configuration learns what the cluster says of its topics. Method: topics of a real
// broker with known settings, one that is not there, and an address where nobody listens.

#include "kafka/topic_facts.h"

#include <gtest/gtest.h>

#include "member.h"

namespace sealstream::test {
namespace {

TEST(TopicFacts, TellPartitionsAndSettings) {
  const std::string plain = make_topic(5, {{"cleanup.policy", "delete"},
                                           {"message.timestamp.type", "LogAppendTime"},
                                           {"retention.ms", "86400000"}});
  const std::string odd = make_topic(1, {{"cleanup.policy", "compact"},
                                         {"message.timestamp.type", "CreateTime"},
                                         {"retention.ms", "-1"},
                                         {"retention.bytes", "1000000"},
                                         {"max.message.bytes", "2000000"}});
  const std::vector<TopicFacts> facts = ask_topics(options_for({plain, odd}), milliseconds(10'000));
  ASSERT_EQ(facts.size(), 2U);
  EXPECT_EQ(facts[0].topic, plain);
  EXPECT_EQ(facts[0].partitions, 5);
  EXPECT_EQ(facts[0].problem, "");
  EXPECT_EQ(facts[0].cleanup_policy, "delete");
  EXPECT_EQ(facts[0].timestamp_type, "LogAppendTime");
  EXPECT_EQ(facts[0].retention_ms, 86'400'000);
  EXPECT_EQ(facts[0].retention_bytes, -1);
  EXPECT_EQ(facts[1].cleanup_policy, "compact");
  EXPECT_EQ(facts[1].timestamp_type, "CreateTime");
  EXPECT_EQ(facts[1].retention_ms, -1);
  EXPECT_EQ(facts[1].retention_bytes, 1'000'000);
  EXPECT_EQ(facts[1].max_message_bytes, 2'000'000);
}

TEST(TopicFacts, SayThatATopicIsNotThere) {
  const std::string missing = fresh_name("missing");
  const std::vector<TopicFacts> facts = ask_topics(options_for({missing}), milliseconds(10'000));
  ASSERT_EQ(facts.size(), 1U);
  EXPECT_EQ(facts[0].partitions, 0);
  EXPECT_NE(facts[0].problem, "");
  EXPECT_EQ(partition_count(options_for({missing}), missing, milliseconds(10'000)), std::nullopt);
}

TEST(TopicFacts, AreRefusedInTimeWhereNobodyListens) {
  const KafkaOptions options = options_for({"audit.events.v1"}, "127.0.0.1:1");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THROW(ask_topics(options, milliseconds(500)), SourceError);
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(5'000));
}

}  // namespace
}  // namespace sealstream::test
