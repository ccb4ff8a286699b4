#include "kafka/handle.h"

#include <librdkafka/rdkafka.h>

namespace sealstream {

void KafkaRelease::operator()(rd_kafka_s* client) const {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
void KafkaRelease::operator()(rd_kafka_conf_s* conf) const { rd_kafka_conf_destroy(conf); }
void KafkaRelease::operator()(rd_kafka_queue_s* queue) const { rd_kafka_queue_destroy(queue); }
void KafkaRelease::operator()(rd_kafka_message_s* message) const { rd_kafka_message_destroy(message); }
void KafkaRelease::operator()(rd_kafka_error_s* error) const { rd_kafka_error_destroy(error); }
void KafkaRelease::operator()(rd_kafka_topic_partition_list_s* list) const {
  rd_kafka_topic_partition_list_destroy(list);
}

PartitionList partition_list(std::span<const std::pair<PartitionId, Offset>> positions) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& [id, offset] : positions) {
    rd_kafka_topic_partition_list_add(list.get(), id.topic.c_str(), id.partition.value())->offset =
        offset.value();
  }
  return list;
}

PartitionList partition_list(std::span<const PartitionId> partitions, std::int64_t offset) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const PartitionId& id : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), id.topic.c_str(), id.partition.value())->offset = offset;
  }
  return list;
}

}  // namespace sealstream
