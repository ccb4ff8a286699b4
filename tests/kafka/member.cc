#include "member.h"

namespace sealstream::test {

void Taken::take(std::size_t lane, const Delivery& delivery) {
  const std::lock_guard guard(lock_);
  if (const auto* fetched = std::get_if<FetchedRecord>(&delivery)) {
    const Record& record = fetched->record;
    Of& of = partitions_[{std::string(record.topic), record.partition}];
    of.lanes.insert(lane);
    if (record.offset < of.next) {
      ++of.dropped;
      return;
    }
    of.offsets.push_back(record.offset.value());
    if (keeps_values_) {
      of.values.emplace_back(record.value.value_or(""));
    }
    of.next = sealstream::next(record.offset);
  } else if (const auto* end = std::get_if<EndReached>(&delivery)) {
    Of& of = partitions_[end->id];
    ++of.ends;
    of.next = std::max(of.next, end->end);
  } else if (const auto* another = std::get_if<AnotherLog>(&delivery)) {
    partitions_[another->id].another_logs.push_back(another->witness);
  } else {
    ++partitions_[std::get<OutOfRange>(delivery).id].out_of_range;
  }
}

void Taken::go_to(const PartitionId& id, Offset next) {
  const std::lock_guard guard(lock_);
  partitions_[id].next = next;
}

Taken::Of Taken::of(const PartitionId& id) const {
  const std::lock_guard guard(lock_);
  const auto found = partitions_.find(id);
  return found == partitions_.end() ? Of{} : found->second;
}

Member::Member(KafkaOptions options, std::size_t lanes, Taken& taken)
    : lanes_(lanes), taken_(taken), consumer_(std::move(options), lanes, probe_) {}

void Member::start() {
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    lane_threads_.emplace_back([this, lane](std::stop_token stop) { run_lane(lane, std::move(stop)); });
  }
  group_thread_ = std::jthread([this](std::stop_token stop) {
    try {
      consumer_.serve(*this, std::move(stop));
    } catch (...) {
      thrown = std::current_exception();
    }
    ended_ = true;
  });
}

void Member::stop() {
  group_thread_ = {};  // asks it to stop and waits for it
  lane_threads_.clear();
}

void Member::on_lane(std::size_t lane, const std::function<void(RecordStream&)>& work) {
  Errand errand{work};
  std::unique_lock guard(lock_);
  errands_[lane] = &errand;
  errand_done_.wait(guard, [&] { return errand.done; });
}

std::vector<PartitionId> Member::assigned_now() const {
  const std::lock_guard guard(lock_);
  return assigned_;
}

void Member::assigned(std::vector<PartitionId> partitions, Group& group) {
  if (on_assigned) {
    on_assigned();
  }
  if (ticks_before_assign == 0) {
    assign(group, partitions);
  } else {
    group.assign({});
    waiting_ = std::move(partitions);
    ticks_ = 0;
  }
}

void Member::tick(Group& group) {
  if (!waiting_.empty() && ++ticks_ >= ticks_before_assign) {
    assign(group, waiting_);
    waiting_.clear();
  }
}

void Member::assign(Group& group, const std::vector<PartitionId>& partitions) {
  std::vector<Start> starts;
  for (const PartitionId& id : partitions) {
    starts.push_back({id, taken_.next(id), static_cast<std::size_t>(id.partition.value()) % lanes_});
  }
  group.assign(starts);
  const std::lock_guard guard(lock_);
  assigned_ = partitions;
  ++assignments_;
}

void Member::revoked(const std::vector<PartitionId>&) {
  const std::lock_guard guard(lock_);
  assigned_.clear();
  waiting_.clear();
  ++revocations_;
}

void Member::lost(const std::vector<PartitionId>& partitions) { revoked(partitions); }

void Member::run_lane(std::size_t lane, std::stop_token stop) {
  RecordStream& stream = consumer_.stream(lane);
  while (!stop.stop_requested()) {
    {
      const std::lock_guard guard(lock_);
      if (const auto errand = errands_.find(lane); errand != errands_.end()) {
        errand->second->work(stream);
        errand->second->done = true;
        errands_.erase(errand);
        errand_done_.notify_all();
      }
    }
    if ((resting_ >> lane & 1U) != 0) {
      std::this_thread::sleep_for(milliseconds(5));
    } else if (const std::optional<Delivery> delivery = stream.next(milliseconds(20))) {
      taken_.take(lane, *delivery);
    }
  }
}

KafkaOptions options_for(const std::vector<std::string>& topics, const std::string& broker) {
  KafkaOptions options;
  options.brokers = broker;
  options.topics = topics;
  options.group_id = fresh_name("group");
  options.session_timeout = milliseconds(6'000);
  options.heartbeat_interval = milliseconds(500);
  options.extent_interval = milliseconds(200);
  return options;
}

}  // namespace sealstream::test
