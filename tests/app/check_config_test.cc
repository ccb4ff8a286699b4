// Goal: check-config says what is wrong with a topic or a clock, and nothing about what is right. Method:
// facts made by hand.
#include "app/check_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using testing::HasSubstr;

TopicFacts good() {
  TopicFacts facts;
  facts.topic = "t";
  facts.partitions = 12;
  facts.cleanup_policy = "delete";
  facts.timestamp_type = "LogAppendTime";
  facts.retention_ms = std::chrono::milliseconds(std::chrono::days(7)).count();
  facts.retention_bytes = -1;
  return facts;
}

std::string complaint(const TopicFacts& facts, bool accept_create_time = false) {
  const std::vector<Finding> findings = judge_topic(facts, accept_create_time);
  if (all_ok(findings)) return "";
  EXPECT_EQ(findings.size(), 1U);
  return findings.front().sentence;
}

TEST(JudgeTopic, IsContentWithSevenDaysOfAppendTimes) {
  EXPECT_EQ(complaint(good()), "");
  EXPECT_EQ(judge_topic(good(), false).front().sentence, "12 partitions, kept for 7.0 days");
}

TEST(JudgeTopic, FindsEachThingThatIsWrong) {
  TopicFacts facts = good();
  facts.partitions = 0;
  EXPECT_THAT(complaint(facts), HasSubstr("no such topic"));
  facts = good();
  facts.cleanup_policy = "delete,compact";
  EXPECT_THAT(complaint(facts), HasSubstr("cleanup.policy"));
  facts = good();
  facts.timestamp_type = "CreateTime";
  EXPECT_THAT(complaint(facts), HasSubstr("LogAppendTime"));
  EXPECT_EQ(complaint(facts, true), "");
  facts = good();
  --facts.retention_ms;
  EXPECT_THAT(complaint(facts), HasSubstr("retention.ms"));
  facts = good();
  facts.retention_bytes = 1;
  EXPECT_THAT(complaint(facts), HasSubstr("retention.bytes"));
  facts = good();
  facts.problem = "no right to describe the topic";
  EXPECT_EQ(complaint(facts), "no right to describe the topic");
}

TEST(JudgeTopic, IsContentWithATopicThatIsKeptForEver) {
  TopicFacts facts = good();
  facts.retention_ms = -1;
  EXPECT_EQ(complaint(facts), "");
}

TEST(JudgeTopics, WantsEqualPartitionCounts) {
  TopicFacts other = good();
  other.topic = "u";
  other.partitions = 6;
  const std::vector<Finding> findings = judge_topics({good(), other}, false);
  EXPECT_FALSE(all_ok(findings));
  EXPECT_THAT(findings.back().sentence, HasSubstr("6 partitions and t has 12"));
  EXPECT_TRUE(all_ok(judge_topics({good(), good()}, false)));
}

TEST(JudgeClock, AllowsFiveSecondsInBothDirections) {
  EXPECT_TRUE(judge_clock("x", std::chrono::seconds(5)).ok);
  EXPECT_TRUE(judge_clock("x", std::chrono::seconds(-5)).ok);
  EXPECT_FALSE(judge_clock("x", std::chrono::milliseconds(5'001)).ok);
  EXPECT_THAT(judge_clock("x", std::chrono::seconds(-60)).sentence,
              HasSubstr("60000 ms ahead of this machine's"));
}

TEST(Findings, TellWhatIsWrongFirst) {
  const std::vector<Finding> findings = {{"a", true, "fine"}, {"b", false, "bad\n"}};
  EXPECT_EQ(findings_text(findings).find("wrong  b: "), 0U);
  EXPECT_TRUE(json_text(findings_json(findings)).has_value());
  EXPECT_THAT(findings_json(findings), HasSubstr("{\"ok\":false,"));
}

}  // namespace
}  // namespace sealstream
