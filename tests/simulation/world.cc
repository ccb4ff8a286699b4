#include "simulation/world.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <utility>

#include "ingest/fakes.h"
#include "sealstream/ingest/ingester.h"
#include "simulation/judge.h"
#include "simulation/log.h"

namespace sealstream::simulation {
namespace {

using ::testing::NiceMock;

constexpr Process kWorld = 0;
constexpr std::size_t kLanes = 2;
constexpr milliseconds kOldLeader{8'000};        ///< less than a lane bears to hear that its log is cut
constexpr milliseconds kBetweenLeaders{10'000};  ///< so that the two times do not add up
constexpr milliseconds kSettles{120'000};        ///< of simulated time, after the last fault

/// Limits so low that a short history passes them all.
IngestOptions small_batches() {
  IngestOptions options;
  options.lanes = kLanes;
  options.batch_rows = 6;
  options.batch_rows_backlog = 20;
  options.recent_ids = 64;
  options.lookup_batches_after_violation = 3;
  options.cached_heads = 6;
  return options;
}

struct Instance {
  Instance(Process process, Broker& broker, Database& database, const Keyring& keyring, Scheduler& scheduler)
      : process(process),
        member(broker, kLanes),
        ingester(
            small_batches(), keyring, member,
            [&](auto, auto) { return std::make_unique<Connection>(database); }, probe, scheduler) {}

  const Process process;
  NiceMock<testing::MockProbe> probe;
  Member member;
  Ingester ingester;
  std::stop_source stop;
};

class World {
 public:
  World(std::uint64_t seed, const Options& options)
      : scheduler_(std::make_unique<Scheduler>(seed)),
        faults_(*scheduler_, options.at_most_faults),
        broker_(*scheduler_, faults_, static_cast<int>(1 + scheduler_->below(5))),
        database_(*scheduler_, faults_),
        history_(broker_.logs.size()) {
    for (int partition = 0; partition < std::ssize(broker_.logs); ++partition) {
      if (scheduler_->chance(300)) begin_before_the_clock_went_back(partition);
    }
  }

  Outcome run() {
    scheduler_->start(kWorld, [this] { live(); });
    Outcome outcome;
    try {
      scheduler_->run();
      outcome.failure = failure_;
    } catch (const std::exception& error) {
      outcome.failure = std::string("I8: ") + error.what();
    }
    scheduler_.reset();  // ends all tasks; they use what is ours
    outcome.faults = faults_.kinds();
    outcome.trace = faults_.trace();
    for (const auto& sent : history_) outcome.records += std::ssize(sent);
    return outcome;
  }

 private:
  void live() {
    for (std::int64_t count = 1 + scheduler_->below(3); count > 0; --count) start_instance();
    for (std::int64_t steps = 10 + scheduler_->below(60); steps > 0; --steps) {
      scheduler_->pause(milliseconds(scheduler_->chance(100) ? 5'000 : 200));
      publish_some();
      go_wrong();
    }
    recover();
    if (!settles() || judged()) return stop_all();
    if (scheduler_->chance(300)) {
      const int lost = scheduler_->chance(500) ? lose_the_log() : replace_the_log();
      if (!judged()) accept_the_loss_of(lost);
      return stop_all();
    }
    stop_all();
    (void)judged();
  }

  // what happens
  void start_instance();
  void publish_some();
  void publish(int partition);
  void append(int partition, Sent sent, const std::string& value);
  void begin_before_the_clock_went_back(int partition);
  void go_wrong();
  void recover();
  int lose_the_log();
  int replace_the_log();
  void forget_what_contradicts_the_witness(int partition);
  void make_again(int partition, std::int64_t records);
  void publish_again(int partition, std::int64_t records);
  void kill_all();
  void accept_the_loss_of(int partition);
  void stop_all();
  Instance* some_instance();

  // what must be
  bool settles();
  bool judged();
  bool halts(int partition);
  void expect_sealed_once();
  void fails(const std::string& what) {
    if (!failure_) failure_ = what;
  }

  std::unique_ptr<Scheduler> scheduler_;
  Faults faults_;
  Broker broker_;
  Database database_;
  const Keyring keyring_ = testing::two_keys();
  std::vector<std::unique_ptr<Instance>> instances_;  ///< the dead ones too
  History history_;
  std::int64_t last_id_ = 0;
  std::vector<std::string> made_again_;  ///< ids of the events of a log that replaced another one
  std::optional<std::string> failure_;
};

void World::start_instance() {
  const auto process = static_cast<Process>(instances_.size() + 1);
  Instance& instance = *instances_.emplace_back(
      std::make_unique<Instance>(process, broker_, database_, keyring_, *scheduler_));
  scheduler_->start(process, [&instance] { instance.ingester.run(instance.stop.get_token()); });
}

Instance* World::some_instance() {
  std::vector<Instance*> running;
  for (const auto& instance : instances_) {
    if (scheduler_->alive(instance->process) && !instance->stop.stop_requested())
      running.push_back(instance.get());
  }
  return running.empty() ? nullptr
                         : running[static_cast<std::size_t>(scheduler_->below(std::ssize(running)))];
}

void World::publish_some() {
  for (std::int64_t count = scheduler_->below(12); count > 0; --count)
    publish(static_cast<int>(scheduler_->below(std::ssize(broker_.logs))));
}

/// New events, and what a producer gets wrong; each with the fate that it must have.
void World::publish(int partition) {
  const bool split = scheduler_->chance(100);  // its producers use the wrong key: two lanes write one chain
  const std::string tenant =
      split ? "tenant-of-all"
            : "tenant-" + std::to_string(partition) + "-" + std::to_string(scheduler_->below(4));
  const std::int64_t kind = scheduler_->below(1000);
  std::vector<const Sent*> before;
  for (const Sent& sent : history_[static_cast<std::size_t>(partition)]) {
    if (sent.fate == Sent::Fate::accepted) before.push_back(&sent);
  }
  if (kind < 60) {
    append(partition, {}, "");
  } else if (kind < 160 && !before.empty()) {
    Sent again = *before[static_cast<std::size_t>(scheduler_->below(std::ssize(before)))];
    again.fate = kind < 130 ? Sent::Fate::duplicate : Sent::Fate::tombstone;
    append(partition, again, testing::event_json(again.tenant, again.id, kind < 130 ? "login" : "logout"));
  } else if (kind < 190) {
    append(partition, {Sent::Fate::tombstone, tenant, "not JSON"}, "not JSON");
  } else {
    const std::string id = "event-" + std::to_string(100'000 + ++last_id_);
    const bool poisonous = kind < 200;
    if (poisonous) database_.poisonous_ids.insert(id);
    append(partition, {poisonous ? Sent::Fate::tombstone : Sent::Fate::accepted, tenant, id},
           testing::event_json(tenant, id));
  }
}

void World::append(int partition, Sent sent, const std::string& value) {
  PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  Logged logged{.key = std::nullopt, .value = value, .timestamp = broker_.clock()};
  if (sent.fate != Sent::Fate::skipped) logged.key = sent.tenant;
  log.records.push_back(std::move(logged));
  history_[static_cast<std::size_t>(partition)].push_back(std::move(sent));
}

/// What was appended then is younger than whatever is read: only the witness itself tells that the log is its
/// own.
void World::begin_before_the_clock_went_back(int partition) {
  for (std::int64_t count = 1 + scheduler_->below(3); count > 0; --count) {
    append(partition, {}, "");
    broker_.logs[static_cast<std::size_t>(partition)].records.back().timestamp += std::chrono::hours(100);
  }
}

void World::go_wrong() {
  if (scheduler_->chance(100)) database_.take_snapshot();
  if (Instance* instance = some_instance();
      instance != nullptr && faults_.strike("kill -9 of " + std::to_string(instance->process), 30)) {
    scheduler_->kill(instance->process);
  }
  if (Instance* instance = some_instance();
      instance != nullptr && faults_.strike("SIGTERM to " + std::to_string(instance->process), 20)) {
    instance->stop.request_stop();
  }
  if (Instance* instance = some_instance();
      instance != nullptr && faults_.strike("SIGSTOP of " + std::to_string(instance->process), 30)) {
    scheduler_->freeze(instance->process, scheduler_->now() + milliseconds(scheduler_->below(30'000)));
  }
  if (scheduler_->chance(some_instance() == nullptr ? 500 : 30)) start_instance();
  if (!database_.down && faults_.strike("the database goes away", 20)) database_.down = true;
  if (database_.down && scheduler_->chance(300)) database_.down = false;
  if (faults_.strike("a failover loses commits", 10)) database_.fail_over();
  if (scheduler_->chance(100)) database_.end_abandoned();
  const auto partition = static_cast<int>(scheduler_->below(std::ssize(broker_.logs)));
  if (faults_.strike("somebody claims " + std::to_string(partition), 20)) {
    const auto row = database_.contents.partitions.find(partition);
    if (row != database_.contents.partitions.end()) row->second.owner_epoch = next(row->second.owner_epoch);
  }
  PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  if (scheduler_->now() > log.old_leader_until + kBetweenLeaders &&
      faults_.strike("the leader of " + std::to_string(partition) + " is replaced, and does not know it",
                     30)) {
    log.old_end = log.start + scheduler_->below(log.end() - log.start + 1);
    log.old_leader_until = scheduler_->now() + milliseconds(scheduler_->below(kOldLeader.count()));
  }
}

void World::recover() {
  faults_.end();
  for (PartitionLog& log : broker_.logs) log.old_leader_until = {};
  faults_.note("no more faults");
  database_.down = false;
  database_.end_abandoned();
  for (const auto& instance : instances_) scheduler_->freeze(instance->process, {});
  if (some_instance() == nullptr) start_instance();
}

/// I8: by itself everything that is in the log gets into the database.
bool World::settles() {
  const auto done = [this] {
    for (int partition = 0; partition < std::ssize(broker_.logs); ++partition) {
      const auto row = database_.contents.partitions.find(partition);
      if (row == database_.contents.partitions.end() ||
          row->second.next != Offset(broker_.logs[static_cast<std::size_t>(partition)].end()))
        return false;
    }
    return true;
  };
  const auto deadline = scheduler_->now() + kSettles;
  if (scheduler_->wait(deadline, done)) return true;
  std::string waiting = "I8: after two minutes without faults these wait:";
  for (int partition = 0; partition < std::ssize(broker_.logs); ++partition) {
    const auto row = database_.contents.partitions.find(partition);
    const std::int64_t next = row == database_.contents.partitions.end() ? 0 : row->second.next.value();
    const std::int64_t end = broker_.logs[static_cast<std::size_t>(partition)].end();
    if (next != end)
      waiting += " partition " + std::to_string(partition) + " at " + std::to_string(next) + " of " +
                 std::to_string(end) + ",";
  }
  waiting.pop_back();
  fails(waiting);
  return false;
}

bool World::judged() {
  if (!failure_) failure_ = judge(history_, database_.contents);
  return failure_.has_value();
}

/// Retention deletes what nobody has read, or the topic is made again: only that partition halts, and says
/// so. Returns its number.
int World::lose_the_log() {
  stop_all();
  const auto lost = static_cast<std::size_t>(scheduler_->below(std::ssize(broker_.logs)));
  for (int partition = 0; partition < std::ssize(broker_.logs); ++partition) {
    for (int count = 0; count < 8; ++count) publish(partition);
  }
  PartitionLog& log = broker_.logs[lost];
  const StoredPartition before = database_.contents.partitions.at(static_cast<int>(lost));
  if (scheduler_->chance(500)) {
    faults_.note("retention overtakes partition " + std::to_string(lost));
    log.start = before.next.value() + 1;
  } else {
    faults_.note("partition " + std::to_string(lost) + " is made again");
    log = {};
    // One that has grown as long as the old one is told by its last committed record alone.
    const std::int64_t longest = before.last ? 2 * before.next.value() : before.next.value();
    for (std::int64_t count = scheduler_->below(longest); count > 0; --count) {
      log.records.push_back(
          {"another-tenant", testing::event_json("another-tenant", "of-another-log"), broker_.clock()});
    }
  }
  start_instance();
  const auto halted = [&] { return halts(static_cast<int>(lost)); };
  const auto others_done = [&] {
    for (std::size_t partition = 0; partition < broker_.logs.size(); ++partition) {
      const std::int64_t next = database_.contents.partitions.at(static_cast<int>(partition)).next.value();
      if (partition != lost && next != broker_.logs[partition].end()) return false;
    }
    return true;
  };
  if (!scheduler_->wait(scheduler_->now() + kSettles, [&] { return halted() && others_done(); })) {
    fails(halted() ? "I8: a partition that lost its log holds up the others"
                   : "I7: a partition that lost its log was not halted");
  }
  if (database_.contents.partitions.at(static_cast<int>(lost)).next != before.next)
    fails("I7: a partition went on in a log that is not its own");
  return static_cast<int>(lost);
}

/// Below the reader's position the history stays as it was: so far of the new log is read what lies behind
/// it.
void World::make_again(int partition, std::int64_t records) {
  scheduler_->wait(scheduler_->now() + milliseconds(1'000), [] { return false; });  // it takes its time
  std::vector<Sent>& history = history_[static_cast<std::size_t>(partition)];
  const std::vector<Sent> before = std::exchange(history, {});
  broker_.logs[static_cast<std::size_t>(partition)] = {};
  publish_again(partition, records);
  std::copy(before.begin(), before.end(), history.begin());
}

void World::publish_again(int partition, std::int64_t records) {
  const std::string tenant = "tenant-" + std::to_string(partition) + "-again";
  for (; records > 0; --records) {
    const std::string id = made_again_.emplace_back("event-" + std::to_string(100'000 + ++last_id_));
    append(partition, {Sent::Fate::accepted, tenant, id}, testing::event_json(tenant, id));
  }
}

bool World::halts(int partition) {
  return std::any_of(instances_.begin(), instances_.end(), [&](const auto& instance) {
    if (!scheduler_->alive(instance->process)) return false;
    const auto partitions = instance->ingester.status().partitions;
    return std::any_of(partitions.begin(), partitions.end(), [&](const PartitionStatus& status) {
      return status.state == PartitionState::halted && status.id == partition_id(partition);
    });
  });
}

/// The topic is made again and grows beyond the position of its reader, who is not told: no offset and no
/// digest is amiss. The reader goes on in it, but not for long, also where it dies in between. Returns the
/// partition's number.
int World::replace_the_log() {
  const auto lost = static_cast<int>(scheduler_->below(std::ssize(broker_.logs)));
  const StoredPartition& stored = database_.contents.partitions.at(lost);
  if (!stored.witness) return lose_the_log();
  const Offset position = stored.next;
  faults_.note("partition " + std::to_string(lost) + " is made again, and grows beyond its reader");
  make_again(lost, position.value() + 1 + scheduler_->below(20));
  const auto seen = [&] { return halts(lost) || stored.next > position; };
  if (scheduler_->chance(500) && scheduler_->wait(scheduler_->now() + kSettles, seen)) {
    kill_all();
    start_instance();
  }
  if (!scheduler_->wait(scheduler_->now() + kSettles, [&] { return halts(lost); }))
    fails("I7: a partition whose topic was made again was not halted");
  const auto never = [] { return false; };
  scheduler_->wait(scheduler_->now() + milliseconds(30'000), never);  // the group has settled
  const Offset halted_at = stored.next;
  publish_again(lost, 5);
  scheduler_->wait(scheduler_->now() + milliseconds(5'000), never);
  if (stored.next != halted_at) fails("I7: a halted partition was read on");
  const bool last_is_behind = stored.last && stored.last->offset > stored.witness->offset;
  if (last_is_behind && scheduler_->chance(500)) forget_what_contradicts_the_witness(lost);
  return lost;
}

/// Retention takes the new log's records up to the last one that was sealed, so that nothing of it is amiss
/// any more; then everybody starts again.
void World::forget_what_contradicts_the_witness(int partition) {
  const StoredPartition& stored = database_.contents.partitions.at(partition);
  PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  log.start = stored.last->offset.value();
  const auto its_first = made_again_.end() - log.end();
  made_again_.erase(its_first, its_first + log.start);  // nobody can read these any more
  const Offset halted_at = stored.next;
  kill_all();
  start_instance();
  if (!scheduler_->wait(scheduler_->now() + kSettles, [&] { return halts(partition); }))
    fails("I7: a partition whose log is another one is not halted any more");
  if (stored.next != halted_at) fails("I7: a halted partition was read on");
}

/// An operator moves the partition on to the log that is there: whoever holds it finds that out.
void World::accept_the_loss_of(int partition) {
  const PartitionLog& log = broker_.logs[static_cast<std::size_t>(partition)];
  StoredPartition& stored = database_.contents.partitions.at(partition);
  stored = {.owner_epoch = next(stored.owner_epoch),
            .first = Offset(log.start),
            .next = Offset(log.start),
            .last = {},
            .log_epoch = next(stored.log_epoch)};
  const OwnerEpoch accepted = stored.owner_epoch;
  const auto goes_on = [&] { return stored.owner_epoch > accepted && stored.next == Offset(log.end()); };
  if (!scheduler_->wait(scheduler_->now() + kSettles, goes_on))
    fails("I8: a partition does not go on when its loss is accepted");
  expect_sealed_once();
}

/// What was sealed of the new log before it was recognised is a duplicate when it is read from its start.
void World::expect_sealed_once() {
  for (const std::string& id : made_again_) {
    const auto rows = std::count_if(database_.contents.rows.begin(), database_.contents.rows.end(),
                                    [&](const StoredRow& row) { return row.event_id == id; });
    if (rows != 1)
      fails("I1: of a log that replaced another one, " + id + " has " + std::to_string(rows) + " rows");
  }
}

void World::kill_all() {
  for (const auto& instance : instances_) scheduler_->kill(instance->process);
}

void World::stop_all() {
  for (const auto& instance : instances_) instance->stop.request_stop();
  const auto all_ended = [this] {
    return std::none_of(instances_.begin(), instances_.end(),
                        [this](const auto& instance) { return scheduler_->alive(instance->process); });
  };
  if (!scheduler_->wait(scheduler_->now() + kSettles, all_ended)) fails("I8: an instance does not end");
}

}  // namespace

Outcome simulate(std::uint64_t seed, const Options& options) { return World(seed, options).run(); }

}  // namespace sealstream::simulation
