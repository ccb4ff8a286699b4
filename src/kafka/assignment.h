// What this member of the group reads, and the way of each partition's records to its lane.
//
// librdkafka drops the forwarding of a partition's queue whenever its fetcher stops, silently, and the
// fetcher stops some time after rd_kafka_assign has returned. So queues are forwarded after a stop is known
// to be through and before the next start, and a queue that keeps a record for itself is noticed at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kafka/handle.h"
#include "sealstream/ingest/probe.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// Counts assignments, so that a record of an earlier one is not taken for progress of this one.
using AssignmentNumber = std::int64_t;

/// A partition that was assigned at least once. Lives as long as its Assignment.
class Held {
 public:
  explicit Held(PartitionId partition) : id(std::move(partition)) {}
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  const PartitionId id;

  /// Forwards librdkafka's own queue of the partition, and clears `strayed`, which is set again by the first
  /// record that stays in it.
  void forward(Queue own_queue, rd_kafka_queue_s* lane_queue);
  /// The same for the queue that it was given last, if any.
  void forward_to(rd_kafka_queue_s* queue);

  /// Notes that the lane has seen everything below `position`, if `number` is still the assignment.
  void advance(AssignmentNumber number, Offset position);
  /// Begins an assignment, or goes elsewhere within one.
  void restart(AssignmentNumber number, Offset position);
  Offset position() const;

  std::atomic<std::size_t> lane = 0;
  std::atomic<bool> assigned = false;  ///< written under the assignment's lock
  std::atomic<bool> stopped = false;   ///< out of range: librdkafka does not fetch it any more
  std::atomic<bool> strayed = false;   ///< its forwarding is lost, or seems to be

 private:
  Queue own_queue_;  ///< the forwarding's owner uses it under its lock

  mutable std::mutex lock_;
  AssignmentNumber number_ = 0;
  Offset position_;
};

class Assignment {
 public:
  /// The lanes' queues, the client and the probe outlive it.
  Assignment(rd_kafka_s* client, std::vector<rd_kafka_queue_s*> lane_queues, Probe& probe);

  // For the group's thread.

  /// As Group::assign.
  void assign(std::span<const Start> starts);
  /// Holds nothing; answers the group, where it waits for an answer. No record of before is delivered after.
  /// Throws SourceError.
  void unassign();
  /// The same while the client leaves its group: does not wait until fetchers have stopped, and so is called
  /// once more when it has left. Throws SourceError.
  void unassign_leaving();
  /// Forwards again what strayed, and starts fetchers again for seeks that found theirs stopped. Throws
  /// SourceError.
  void mend();

  // For lanes.

  /// As RecordStream::seek. `timeout` bounds the wait for librdkafka.
  void seek(const PartitionId& id, Offset offset, milliseconds timeout);

  // For every thread.

  AssignmentNumber number() const { return number_; }
  /// Nothing where the partition was never assigned.
  Held* find(std::string_view topic, std::int32_t partition) const;
  /// What is assigned now.
  std::vector<Held*> assigned() const;
  /// Whether nothing waits for the lane that reads the partition.
  bool lane_is_empty(const Held& held) const;

 private:
  using Positions = std::vector<std::pair<PartitionId, Offset>>;

  Held* find_locked(const PartitionId& id) const;
  Held& make_held(const PartitionId& id);
  bool seek_once(const PartitionId& id, Offset offset);
  void restart_for_seeks();
  void hold_nothing();
  void stop_fetchers();
  bool tell_fetchers_to_stop();
  void drain_own_queues();
  void start_fetchers(const Positions& positions);
  void forward(Held& held);

  rd_kafka_s* const client_;
  const std::vector<rd_kafka_queue_s*> lane_queues_;
  Probe& probe_;
  std::atomic<AssignmentNumber> number_ = 0;

  mutable std::mutex lock_;  ///< an assignment does not change during a seek, nor the other way round
  std::map<PartitionId, std::unique_ptr<Held>> held_;
  std::map<PartitionId, Offset> waiting_seeks_;  ///< whose fetchers are stopped
};

}  // namespace sealstream
