// A simulated topic, and its consumer group: eager rebalances, members that are expelled for their silence,
// and one stream for each lane that fetches, seeks and sees ends as librdkafka does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sealstream/ingest/source.h"
#include "simulation/faults.h"

namespace sealstream::simulation {

/// One offset of a partition; without a key it is a control record, which no reader sees.
struct Logged {
  std::optional<std::string> key;
  std::string value;
  Timestamp timestamp;
};

struct PartitionLog {
  std::vector<Logged> records;            ///< by offset
  std::int64_t start = 0;                 ///< what lies before was deleted by retention
  std::int64_t old_end = 0;               ///< where it ends on a broker that was replaced as its leader
  Runtime::TimePoint old_leader_until{};  ///< when that broker learns it; readers ask it until then

  std::int64_t end() const { return std::ssize(records); }
};

PartitionId partition_id(int partition);

/// The broker: the topic, and the coordinator of its one group.
class Broker {
 public:
  Broker(Scheduler& scheduler, Faults& faults, int partitions)
      : logs(static_cast<std::size_t>(partitions)), scheduler(scheduler), faults(faults) {}

  /// A new member; the group rebalances.
  int join();
  void leave(int member);
  /// False where the member was expelled meanwhile.
  bool heartbeat(int member);
  /// Whether the member has to let go and to rejoin.
  bool asks_to_rejoin(int member) const;
  void rejoin(int member);
  /// What the member got, once for each generation.
  std::optional<std::vector<int>> take_assignment(int member);

  /// What a record is stamped with that is appended now.
  Timestamp clock() const;

  /// Where the log ends for who asks now.
  std::int64_t end(const PartitionLog& log) const;

  std::vector<PartitionLog> logs;
  Scheduler& scheduler;
  Faults& faults;

 private:
  struct Member {
    Runtime::TimePoint heard_of;
    bool joined = false;  ///< of the rebalance under way
    std::optional<std::vector<int>> assignment;
  };
  void expel_the_silent();
  void begin_rebalance();
  void end_rebalance_where_all_joined();

  std::map<int, Member> members_;
  int last_member_ = 0;
  bool rebalancing_ = false;
};

/// One lane's end of the log.
class Stream : public RecordStream {
 public:
  explicit Stream(Broker& broker) : broker_(broker) {}

  std::optional<Delivery> next(milliseconds timeout) override;
  void seek(const PartitionId& id, Offset offset) override;
  void watch(const PartitionId& id, const std::optional<Witness>& witness) override;
  std::optional<Extent> extent(const PartitionId& id, milliseconds timeout) override;
  void mirror(std::span<const std::pair<PartitionId, Offset>>) override {}

  void begin(int partition, Offset offset);
  void drop_all() { fetches_.clear(); }

 private:
  struct Fetch {
    std::int64_t position = 0;
    Runtime::TimePoint ready{};         ///< an answer of the broker takes its time
    std::optional<std::int64_t> stale;  ///< fetched before the last seek, delivered behind it
    std::int64_t end_told = -1;
    bool stopped = false;  ///< out of range: nothing until a seek
  };
  struct Watched {
    Witness witness;
    Runtime::TimePoint due;  ///< when the broker is asked
  };
  std::optional<AnotherLog> ask_witnesses();
  bool has_something(int partition, const Fetch& fetch) const;
  std::optional<Delivery> deliver(int partition, Fetch& fetch);
  FetchedRecord record(int partition, std::int64_t offset) const;

  Broker& broker_;
  std::map<int, Fetch> fetches_;
  std::map<int, Watched> watched_;
};

/// One member of the group.
class Member : public Source, public Group {
 public:
  Member(Broker& broker, std::size_t lanes) : broker_(broker), streams_(lanes, Stream(broker)) {}

  RecordStream& stream(std::size_t lane) override { return streams_[lane]; }
  void serve(GroupListener& listener, std::stop_token stop) override;

  void assign(std::span<const Start> starts) override;
  void unassign() override;
  std::vector<std::optional<Extent>> extents(std::span<const PartitionId> ids,
                                             milliseconds timeout) override {
    std::vector<std::optional<Extent>> extents;
    for (const PartitionId& id : ids) extents.push_back(streams_.front().extent(id, timeout));
    return extents;
  }

 private:
  Broker& broker_;
  std::vector<Stream> streams_;
  bool assigned_ = false;  ///< something is
};

}  // namespace sealstream::simulation
