// A lane's end of the log: the queue that its partitions' queues are forwarded to.
#pragma once

#include "kafka/assignment.h"
#include "kafka/extent_watch.h"
#include "kafka/options.h"

namespace sealstream {

/// Its records must be gone before the client is.
class LaneStream final : public RecordStream {
 public:
  /// All of these outlive it.
  LaneStream(std::size_t lane, rd_kafka_s* client, rd_kafka_queue_s* queue, Assignment& assignment,
             ExtentWatch& watch, const KafkaOptions& options, Probe& probe);

  std::optional<Delivery> next(milliseconds timeout) override;
  void seek(const PartitionId& id, Offset offset) override;
  void watch(const PartitionId& id, const std::optional<Witness>& witness) override;
  std::optional<Extent> extent(const PartitionId& id, milliseconds timeout) override;
  void mirror(std::span<const std::pair<PartitionId, Offset>> next_offsets) override;

 private:
  std::optional<Delivery> deliver(Message message, AssignmentNumber number);
  std::optional<Delivery> deliver_event(const rd_kafka_message_s& message, Held& held,
                                        AssignmentNumber number);
  Held& held_of(const rd_kafka_message_s& message);
  void wake_fetcher();

  const std::size_t lane_;
  rd_kafka_s* const client_;
  rd_kafka_queue_s* const queue_;
  Assignment& assignment_;
  ExtentWatch& watch_;
  const KafkaOptions& options_;
  Probe& probe_;
  Held* last_held_ = nullptr;  ///< of the record before: they come in runs
  int run_ = 0;                ///< records since the queue was empty
};

}  // namespace sealstream
