#include "kafka/topic_facts.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <string_view>

#include "kafka/client.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

struct Release {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_ConfigResource_t* resource) const { rd_kafka_ConfigResource_destroy(resource); }
  void operator()(rd_kafka_AdminOptions_t* options) const { rd_kafka_AdminOptions_destroy(options); }
};

template <class T>
using Owned = std::unique_ptr<T, Release>;

int left_ms(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 1));
}

void check(rd_kafka_resp_err_t error, const std::string& brokers) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw SourceError("Kafka at " + brokers + " does not answer: " + rd_kafka_err2str(error));
  }
}

/// 0 where the topic is not there.
int ask_partitions(rd_kafka_s* client, const KafkaOptions& options, const std::string& topic,
                   Clock::time_point deadline) {
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  if (!handle) {
    throw SourceError("Kafka: " + topic + " cannot be the name of a topic");
  }
  const rd_kafka_metadata_t* answer = nullptr;
  check(rd_kafka_metadata(client, 0, handle.get(), &answer, left_ms(deadline)), options.brokers);
  const Owned<const rd_kafka_metadata_t> metadata(answer);
  const bool found = metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
  return found ? metadata->topics[0].partition_cnt : 0;
}

void note(TopicFacts& facts, std::string_view name, std::string_view value) {
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  if (name == "cleanup.policy") {
    facts.cleanup_policy = value;
  } else if (name == "message.timestamp.type") {
    facts.timestamp_type = value;
  } else if (name == "retention.ms") {
    facts.retention_ms = number;
  } else if (name == "retention.bytes") {
    facts.retention_bytes = number;
  } else if (name == "max.message.bytes") {
    facts.max_message_bytes = number;
  }
}

/// The answer about one topic, or nothing where the broker's refusal is noted in `facts`.
const rd_kafka_ConfigResource_t* described(rd_kafka_event_t* event, TopicFacts& facts) {
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    facts.problem = rd_kafka_event_error_string(event);
    return nullptr;
  }
  std::size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
  if (count != 1 || rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* reason = count == 1 ? rd_kafka_ConfigResource_error_string(resources[0]) : nullptr;
    facts.problem = reason == nullptr ? "The broker says nothing of it." : reason;
    return nullptr;
  }
  return resources[0];
}

void ask_settings(rd_kafka_s* client, TopicFacts& facts, Clock::time_point deadline) {
  const Owned<rd_kafka_ConfigResource_t> asked(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, facts.topic.c_str()));
  const Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), left_ms(deadline), nullptr, 0);
  const Queue queue(rd_kafka_queue_new(client));
  rd_kafka_ConfigResource_t* resource = asked.get();
  rd_kafka_DescribeConfigs(client, &resource, 1, options.get(), queue.get());
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), left_ms(deadline)));
  if (!event) {
    facts.problem = "The broker did not answer in time.";
    return;
  }
  const rd_kafka_ConfigResource_t* answer = described(event.get(), facts);
  if (answer == nullptr) {
    return;
  }
  std::size_t count = 0;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(answer, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    note(facts, rd_kafka_ConfigEntry_name(entries[i]), value == nullptr ? "" : value);
  }
}

}  // namespace

std::vector<TopicFacts> ask_topics(const KafkaOptions& options, milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const Client client = make_asker(options);
  std::vector<TopicFacts> all;
  for (const std::string& topic : options.topics) {
    TopicFacts& facts = all.emplace_back();
    facts.topic = topic;
    facts.partitions = ask_partitions(client.get(), options, topic, deadline);
    if (facts.partitions > 0) {
      ask_settings(client.get(), facts, deadline);
    } else {
      facts.problem = "The cluster has no such topic, or this user may not see it.";
    }
  }
  return all;
}

std::optional<int> partition_count(const KafkaOptions& options, const std::string& topic,
                                   milliseconds timeout) {
  const Client client = make_asker(options);
  const int count = ask_partitions(client.get(), options, topic, Clock::now() + timeout);
  return count > 0 ? std::optional(count) : std::nullopt;
}

}  // namespace sealstream
