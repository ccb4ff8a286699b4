// Makes clients of librdkafka with the settings that delivery rests on.
#pragma once

#include "kafka/handle.h"
#include "kafka/options.h"
#include "sealstream/ingest/probe.h"

struct rd_kafka_topic_partition_list_s;

namespace sealstream {

/// What a client calls back. The calls come from the thread that polls it, but for logs, which come from any.
class ClientCallbacks {
 public:
  virtual ~ClientCallbacks() = default;
  /// `code` is librdkafka's rd_kafka_resp_err_t. Must not throw.
  virtual void rebalanced(int code, rd_kafka_topic_partition_list_s* partitions) noexcept = 0;
  /// Must be thread-safe.
  virtual void failed(const char* code, const char* message) noexcept = 0;
};

/// A member of the group. `callbacks` outlives it. Throws SourceError with the property that is wrong.
Client make_member(const KafkaOptions& options, ClientCallbacks& callbacks);

/// A producer whose records are acknowledged by all in-sync replicas, once each, or given up after
/// `timeout`. Its delivery reports go to `delivered`, with `opaque`, from the thread that polls. Throws
/// SourceError with the property that is wrong.
using Delivered = void (*)(rd_kafka_s* client, const rd_kafka_message_s* message, void* opaque);
Client make_producer(const KafkaOptions& options, milliseconds timeout, Delivered delivered, void* opaque);

/// A client that asks, and reads partitions, outside of any group. Throws SourceError with the property that
/// is wrong.
Client make_asker(const KafkaOptions& options);

}  // namespace sealstream
