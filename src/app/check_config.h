// What check-config finds, apart from how it asks.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "kafka/topic_facts.h"

namespace sealstream {

/// One thing that was checked.
struct Finding {
  std::string check;  ///< a word: "topic audit.events.v1", "database"
  bool ok = true;
  std::string sentence;
};

/// What Sealstream needs of a topic: that it is there, is never compacted, has the broker's times, and keeps
/// records for at least seven days.
std::vector<Finding> judge_topic(const TopicFacts& facts, bool accept_create_time);

/// Several topics share lanes only with equal partition counts.
std::vector<Finding> judge_topics(const std::vector<TopicFacts>& topics, bool accept_create_time);

/// `ahead`: how far this machine's clock is ahead of the other's. Events are judged by Kafka's time, never by
/// ours; but leaves are made ahead of time by our clock, and lag is told by it.
Finding judge_clock(const std::string& other, std::chrono::milliseconds ahead);

/// One line a finding, those that are wrong first.
std::string findings_text(const std::vector<Finding>& findings);
/// {"ok": …, "findings": [{check, ok, sentence}]}
std::string findings_json(const std::vector<Finding>& findings);
bool all_ok(const std::vector<Finding>& findings);

}  // namespace sealstream
