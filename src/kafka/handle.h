// What librdkafka hands out, owned. The types are only declared here, so that nobody but this folder needs
// librdkafka's header.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "sealstream/core/ids.h"

struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_queue_s;
struct rd_kafka_message_s;
struct rd_kafka_error_s;
struct rd_kafka_topic_partition_list_s;

namespace sealstream {

struct KafkaRelease {
  void operator()(rd_kafka_s* client) const;  ///< without leaving the group: Consumer does that before
  void operator()(rd_kafka_conf_s* conf) const;
  void operator()(rd_kafka_queue_s* queue) const;
  void operator()(rd_kafka_message_s* message) const;
  void operator()(rd_kafka_error_s* error) const;
  void operator()(rd_kafka_topic_partition_list_s* list) const;
};

template <class T>
using KafkaOwned = std::unique_ptr<T, KafkaRelease>;

using Client = KafkaOwned<rd_kafka_s>;
using ClientConf = KafkaOwned<rd_kafka_conf_s>;
using Queue = KafkaOwned<rd_kafka_queue_s>;
using Message = KafkaOwned<rd_kafka_message_s>;
using KafkaError = KafkaOwned<rd_kafka_error_s>;
using PartitionList = KafkaOwned<rd_kafka_topic_partition_list_s>;

/// With the offsets given.
PartitionList partition_list(std::span<const std::pair<PartitionId, Offset>> positions);

/// With one offset for all: a position, or one of Kafka's logical offsets.
PartitionList partition_list(std::span<const PartitionId> partitions, std::int64_t offset);

}  // namespace sealstream
