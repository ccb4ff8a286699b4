// A whole member of a group: the Consumer under test, its group thread, and a thread for each lane that keeps
// what it is given.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker.h"
#include "kafka/consumer.h"
#include "recording_probe.h"

namespace sealstream::test {

/// What all members together have taken of the log, as the database would have it: a record below the next
/// offset is dropped.
class Taken {
 public:
  struct Of {
    Offset next{0};
    std::vector<std::int64_t> offsets;
    std::vector<std::string> values;
    int dropped = 0;
    int ends = 0;
    int out_of_range = 0;
    std::vector<Witness> another_logs;
    std::set<std::size_t> lanes;
  };

  explicit Taken(bool keeps_values = true) : keeps_values_(keeps_values) {}
  void take(std::size_t lane, const Delivery& delivery);
  void go_to(const PartitionId& id, Offset next);
  Of of(const PartitionId& id) const;
  Offset next(const PartitionId& id) const { return of(id).next; }

 private:
  const bool keeps_values_;
  mutable std::mutex lock_;
  std::map<PartitionId, Of> partitions_;
};

class Member final : public GroupListener {
 public:
  Member(KafkaOptions options, std::size_t lanes, Taken& taken);
  ~Member() override { stop(); }

  void start();
  /// Leaves the group and ends the threads.
  void stop();
  /// Runs on the lane's thread, between two records; waits until it has run.
  void on_lane(std::size_t lane, const std::function<void(RecordStream&)>& work);
  /// A lane that rests takes no records.
  void rest(bool rests) { resting_ = rests ? ~0U : 0U; }
  void rest_lane(std::size_t lane) { resting_ = 1U << lane; }

  std::vector<PartitionId> assigned_now() const;
  int assignments() const { return assignments_; }
  int revocations() const { return revocations_; }
  /// Whether serve has returned.
  bool ended() const { return ended_; }
  RecordingProbe& probe() { return probe_; }

  /// Set before start. Claims that "take longer": the answer to the group is empty, and these ticks later the
  /// partitions are assigned.
  int ticks_before_assign = 0;
  std::function<void()> on_assigned;  ///< set before start
  std::exception_ptr thrown;          ///< by serve; read it after stop

 private:
  struct Errand {
    std::function<void(RecordStream&)> work;
    bool done = false;
  };

  void assigned(std::vector<PartitionId> partitions, Group& group) override;
  void revoked(const std::vector<PartitionId>& partitions) override;
  void lost(const std::vector<PartitionId>& partitions) override;
  void tick(Group& group) override;
  void assign(Group& group, const std::vector<PartitionId>& partitions);
  void run_lane(std::size_t lane, std::stop_token stop);

  const std::size_t lanes_;
  Taken& taken_;
  RecordingProbe probe_;
  Consumer consumer_;
  std::atomic<unsigned> resting_ = 0;  ///< a bit a lane
  std::atomic<int> assignments_ = 0;
  std::atomic<int> revocations_ = 0;
  std::atomic<bool> ended_ = false;

  mutable std::mutex lock_;
  std::condition_variable errand_done_;
  std::vector<PartitionId> assigned_;
  std::map<std::size_t, Errand*> errands_;

  std::vector<PartitionId> waiting_;  ///< the group thread's own
  int ticks_ = 0;

  std::vector<std::jthread> lane_threads_;
  std::jthread group_thread_;
};

/// Options for a group of its own.
KafkaOptions options_for(const std::vector<std::string>& topics,
                         const std::string& broker = broker_address());

}  // namespace sealstream::test
