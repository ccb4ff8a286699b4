// Kafka as Source: one member of a consumer group, its assignment, and a stream for each lane.
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "kafka/assignment.h"
#include "kafka/client.h"
#include "kafka/extent_watch.h"
#include "kafka/lane_stream.h"
#include "kafka/options.h"

namespace sealstream {

/// Records that it handed out must be gone before it is. The thread that calls serve is the group's thread;
/// a helper thread asks the broker for starts and ends.
class Consumer final : public Source, private Group, private ClientCallbacks {
 public:
  /// Does not wait for a broker. `probe` outlives it. Throws SourceError where the options are wrong.
  Consumer(KafkaOptions options, std::size_t lanes, Probe& probe);
  ~Consumer() override;

  RecordStream& stream(std::size_t lane) override;
  /// Throws what the listener throws, and SourceError where the group put this member out for good; both
  /// after leaving the group. May be called once.
  void serve(GroupListener& listener, std::stop_token stop) override;

 private:
  void assign(std::span<const Start> starts) override;
  void unassign() override { assignment_.unassign(); }
  std::vector<std::optional<Extent>> extents(std::span<const PartitionId> ids, milliseconds timeout) override;

  void rebalanced(int code, rd_kafka_topic_partition_list_s* partitions) noexcept override;
  void failed(const char* code, const char* message) noexcept override;

  void subscribe();
  void serve_group(const std::stop_token& stop);
  void poll(milliseconds timeout);
  void take(std::vector<PartitionId> partitions);
  void let_go(const std::vector<PartitionId>& partitions);
  void release();
  void leave();

  const KafkaOptions options_;
  Probe& probe_;
  Client client_;
  std::vector<Queue> lane_queues_;
  Assignment assignment_;
  ExtentWatch watch_;
  std::vector<std::unique_ptr<LaneStream>> streams_;

  GroupListener* listener_ = nullptr;  ///< while serve runs
  std::vector<PartitionId> held_;      ///< what the listener was given
  bool answered_ = true;               ///< the group does not wait for an assign call
  bool leaving_ = false;               ///< the client was told to leave, and does
  std::exception_ptr thrown_;          ///< by the listener, through librdkafka's frames
};

}  // namespace sealstream
