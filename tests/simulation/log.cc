#include "simulation/log.h"

#include <algorithm>
#include <cassert>

#include "ingest/fakes.h"

namespace sealstream::simulation {
namespace {

constexpr milliseconds kSessionTimeout{10'000};
constexpr milliseconds kFetch{20};
constexpr milliseconds kWitnessInterval{5'000};

/// Whether a log has something younger than the witness only behind it, or still has the witness.
bool is_log_of(const PartitionLog& log, const Witness& witness) {
  const auto first = log.records.begin() + log.start;
  const auto younger = std::find_if(first, log.records.end(),
                                    [&](const Logged& logged) { return logged.timestamp > witness.time; });
  const std::int64_t at = witness.offset.value();
  if (younger == log.records.end() || younger - log.records.begin() > at) return true;
  if (at >= log.end()) return false;
  const Logged& there = log.records[static_cast<std::size_t>(at)];
  return there.key && there.timestamp == witness.time;
}

}  // namespace

PartitionId partition_id(int partition) { return testing::partition_id(partition); }

int Broker::join() {
  members_[++last_member_].heard_of = scheduler.now();
  begin_rebalance();
  rejoin(last_member_);
  return last_member_;
}

void Broker::leave(int member) {
  if (members_.erase(member) > 0) begin_rebalance();
}

bool Broker::heartbeat(int member) {
  const auto found = members_.find(member);
  if (found != members_.end() && scheduler.now() - found->second.heard_of <= kSessionTimeout)
    found->second.heard_of = scheduler.now();
  expel_the_silent();
  end_rebalance_where_all_joined();
  return members_.contains(member);
}

void Broker::expel_the_silent() {
  const auto expelled = std::erase_if(
      members_, [&](const auto& entry) { return scheduler.now() - entry.second.heard_of > kSessionTimeout; });
  if (expelled > 0) begin_rebalance();
}

void Broker::begin_rebalance() {
  rebalancing_ = true;
  for (auto& [id, member] : members_) {
    member.joined = false;
    member.assignment.reset();
  }
}

bool Broker::asks_to_rejoin(int member) const { return rebalancing_ && !members_.at(member).joined; }

void Broker::rejoin(int member) { members_.at(member).joined = true; }

void Broker::end_rebalance_where_all_joined() {
  if (!rebalancing_ ||
      !std::all_of(members_.begin(), members_.end(), [](const auto& entry) { return entry.second.joined; }))
    return;
  rebalancing_ = false;
  std::vector<std::vector<int>> shares(members_.size());
  for (int partition = 0; partition < std::ssize(logs) && !shares.empty(); ++partition) {
    shares[static_cast<std::size_t>(scheduler.below(std::ssize(shares)))].push_back(partition);
  }
  std::size_t next = 0;
  for (auto& [id, member] : members_) member.assignment = std::move(shares[next++]);
}

std::optional<std::vector<int>> Broker::take_assignment(int member) {
  return std::exchange(members_.at(member).assignment, std::nullopt);
}

Timestamp Broker::clock() const {
  return testing::at(0) + std::chrono::floor<milliseconds>(scheduler.now().time_since_epoch());
}

std::int64_t Broker::end(const PartitionLog& log) const {
  return scheduler.now() < log.old_leader_until ? log.old_end : log.end();
}

void Stream::begin(int partition, Offset offset) {
  Fetch& fetch = fetches_[partition] = {};
  fetch.position = offset.value();
  fetch.ready =
      broker_.scheduler.now() + std::chrono::microseconds(broker_.scheduler.below(kFetch.count() * 1000));
}

std::optional<Delivery> Stream::next(milliseconds timeout) {
  Scheduler& scheduler = broker_.scheduler;
  if (auto found = ask_witnesses()) return found;
  const auto waiting = [&] {
    return std::any_of(fetches_.begin(), fetches_.end(),
                       [&](const auto& entry) { return has_something(entry.first, entry.second); });
  };
  const auto deadline = scheduler.now() + timeout;
  while (!waiting()) {
    auto due = deadline;
    for (const auto& [partition, fetch] : fetches_) {
      if (fetch.ready > scheduler.now()) due = std::min(due, fetch.ready);
    }
    if (!scheduler.wait(due, waiting) && scheduler.now() >= deadline) return std::nullopt;
  }
  if (scheduler.chance(100)) scheduler.pause(milliseconds(1));
  std::vector<int> able;
  for (const auto& [partition, fetch] : fetches_) {
    if (has_something(partition, fetch)) able.push_back(partition);
  }
  if (able.empty()) return std::nullopt;
  const int partition = able[static_cast<std::size_t>(scheduler.below(std::ssize(able)))];
  return deliver(partition, fetches_.at(partition));
}

bool Stream::has_something(int partition, const Fetch& fetch) const {
  const PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  if (fetch.stopped || fetch.ready > broker_.scheduler.now()) return false;
  return fetch.stale || fetch.position < log.start || fetch.position != broker_.end(log) ||
         fetch.end_told != broker_.end(log);
}

std::optional<Delivery> Stream::deliver(int partition, Fetch& fetch) {
  const PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  const std::int64_t end = broker_.end(log);
  if (fetch.stale) return record(partition, *std::exchange(fetch.stale, std::nullopt));
  if (fetch.position < log.start || fetch.position > end) {
    fetch.stopped = true;
    return OutOfRange{partition_id(partition)};
  }
  while (fetch.position < end && !log.records[static_cast<std::size_t>(fetch.position)].key) ++fetch.position;
  if (fetch.position < end) return record(partition, fetch.position++);
  fetch.end_told = end;
  return EndReached{partition_id(partition), Offset(end)};
}

FetchedRecord Stream::record(int partition, std::int64_t offset) const {
  const Logged& logged =
      broker_.logs[static_cast<std::size_t>(partition)].records[static_cast<std::size_t>(offset)];
  return testing::fetched(offset, *logged.key, logged.value, partition, logged.timestamp);
}

void Stream::watch(const PartitionId& id, const std::optional<Witness>& witness) {
  watched_.erase(id.partition.value());
  if (!witness) return;
  const milliseconds until_asked(broker_.scheduler.below(kWitnessInterval.count()));
  watched_.emplace(id.partition.value(), Watched{*witness, broker_.scheduler.now() + until_asked});
}

std::optional<AnotherLog> Stream::ask_witnesses() {
  for (auto& [partition, watched] : watched_) {
    if (watched.due > broker_.scheduler.now() || !fetches_.contains(partition)) continue;
    watched.due = broker_.scheduler.now() + kWitnessInterval;
    if (broker_.faults.strike("the broker does not say whose log " + std::to_string(partition) + " is", 20))
      continue;
    if (is_log_of(broker_.logs[static_cast<std::size_t>(partition)], watched.witness)) continue;
    const AnotherLog found{partition_id(partition), watched.witness};
    watched_.erase(partition);
    return found;
  }
  return std::nullopt;
}

void Stream::seek(const PartitionId& id, Offset offset) {
  broker_.scheduler.pause(milliseconds(2));
  if (broker_.faults.strike("a seek of " + std::to_string(id.partition.value()) + " fails", 20))
    throw SourceError("the seek failed");
  const auto found = fetches_.find(id.partition.value());
  if (found == fetches_.end()) return;
  const std::int64_t before = found->second.position;
  const bool first = !found->second.stale && found->second.end_told == -1;
  begin(id.partition.value(), offset);
  const PartitionLog& log = broker_.logs[static_cast<std::size_t>(id.partition.value())];
  const bool there =
      before >= log.start && before < log.end() && log.records[static_cast<std::size_t>(before)].key;
  if (first && there && broker_.faults.strike("a record is delivered behind a seek", 100))
    found->second.stale = before;
}

std::optional<Extent> Stream::extent(const PartitionId& id, milliseconds timeout) {
  broker_.scheduler.pause(milliseconds(5));
  if (broker_.faults.strike("the broker does not say what it has of " + std::to_string(id.partition.value()),
                            50)) {
    broker_.scheduler.pause(timeout);
    return std::nullopt;
  }
  const PartitionLog& log = broker_.logs[static_cast<std::size_t>(id.partition.value())];
  return Extent{Offset(log.start), Offset(broker_.end(log))};
}

void Member::serve(GroupListener& listener, std::stop_token stop) {
  Scheduler& scheduler = broker_.scheduler;
  int member = broker_.join();
  std::optional<std::vector<PartitionId>> held;
  const auto let_go = [&](bool lost) {
    if (!held) return;
    lost ? listener.lost(*held) : listener.revoked(*held);
    unassign();
    held.reset();
  };
  while (!stop.stop_requested()) {
    scheduler.wait(scheduler.now() + milliseconds(1 + scheduler.below(99)),
                   [&] { return stop.stop_requested(); });
    listener.tick(*this);
    if (!broker_.heartbeat(member)) {
      let_go(true);
      member = broker_.join();
    } else if (broker_.asks_to_rejoin(member)) {
      let_go(false);
      if (broker_.heartbeat(member)) broker_.rejoin(member);
    } else if (const auto share = broker_.take_assignment(member)) {
      held.emplace();
      for (const int partition : *share) held->push_back(partition_id(partition));
      listener.assigned(*held, *this);
    }
  }
  let_go(!broker_.heartbeat(member));
  broker_.leave(member);
}

void Member::assign(std::span<const Start> starts) {
  assert(!assigned_ || starts.empty());
  assigned_ = !starts.empty();
  for (const Start& start : starts) streams_[start.lane].begin(start.id.partition.value(), start.offset);
}

void Member::unassign() {
  for (Stream& stream : streams_) stream.drop_all();
  assigned_ = false;
}

}  // namespace sealstream::simulation
