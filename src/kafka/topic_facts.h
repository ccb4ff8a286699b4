// What the cluster says of a topic, for those who check a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka/options.h"

namespace sealstream {

struct TopicFacts {
  std::string topic;
  int partitions = 0;                  ///< 0: there is no such topic, or no right to see it
  std::string problem;                 ///< a sentence where the broker did not tell the rest, else empty
  std::string cleanup_policy;          ///< cleanup.policy: "delete", "compact" or both
  std::string timestamp_type;          ///< message.timestamp.type: "CreateTime" or "LogAppendTime"
  std::int64_t retention_ms = 0;       ///< −1: for ever
  std::int64_t retention_bytes = 0;    ///< a partition's; −1: without a limit
  std::int64_t max_message_bytes = 0;  ///< of one batch, as it lies in the log
  bool compacted() const { return cleanup_policy.find("compact") != std::string::npos; }
};

/// What the brokers say, one entry for every topic of the options, in their order. Takes `timeout` at most.
/// Throws SourceError where no broker answers, or where an option is wrong.
std::vector<TopicFacts> ask_topics(const KafkaOptions& options, milliseconds timeout);

/// How many partitions the topic has; nothing where it is not there.
std::optional<int> partition_count(const KafkaOptions& options, const std::string& topic,
                                   milliseconds timeout);

}  // namespace sealstream
