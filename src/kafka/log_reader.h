// Reads single partitions outside of any group: for commands that look at the log, and to look at a witness.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kafka/handle.h"
#include "kafka/options.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// One client, which reads one partition at a time, as a member of the group would. Used by one thread.
class LogReader {
 public:
  /// Throws SourceError with the property that is wrong; asks no broker yet.
  explicit LogReader(const KafkaOptions& options);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  /// Reads `id` from `offset` on, and nothing else any more. Throws SourceError.
  void begin(const PartitionId& id, Offset offset);
  /// What comes next there, or nothing within `timeout`. Records outlive neither the next begin nor this.
  std::optional<Delivery> next(milliseconds timeout);

  /// As ask_extents.
  std::vector<std::pair<PartitionId, Extent>> extents(std::span<const PartitionId> ids, milliseconds timeout);

  /// Whether the partition's log is the one that `witness` was read of; nothing where Kafka does not say.
  /// `timeout` is for all that has to be asked. Throws SourceError.
  std::optional<bool> is_log_of(const PartitionId& id, const Witness& witness, milliseconds timeout);
  /// Whether the witness itself is there.
  std::optional<bool> holds(const PartitionId& id, const Witness& witness, milliseconds timeout);

 private:
  struct Release {
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  };

  void stop();

  Client client_;
  PartitionId id_;
  std::unique_ptr<rd_kafka_topic_t, Release> topic_;  ///< while something is read
};

}  // namespace sealstream
