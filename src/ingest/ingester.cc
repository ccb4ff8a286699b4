// The group thread's side of the pipeline: claims before it assigns, and lets go only what is committed.
#include "sealstream/ingest/ingester.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <utility>

#include "ingest/lane.h"
#include "ingest/sabotage.h"
#include "ingest/spread.h"
#include "ingest/wall_clock.h"

namespace sealstream {
namespace {

/// The group waits meanwhile, and without an answer lanes are only loaded less evenly.
constexpr milliseconds kBacklogPatience{1'000};

/// Ends the lanes' threads, also where the source gives up with an exception.
struct FinishLanes {
  const std::vector<std::unique_ptr<Lane>>& lanes;
  ~FinishLanes() {
    for (const auto& lane : lanes) lane->mailbox().send(FinishCommand{});
  }
};

}  // namespace

struct Ingester::State : GroupListener {
  State(const IngestOptions& options, const Keyring& keyring, Source& source, const LedgerFactory& ledgers,
        Probe& probe, Runtime& runtime)
      : options(options),
        source(source),
        probe(probe),
        runtime(runtime),
        ledger(ledgers([this] { beat(); }, options.group_database_patience)) {
    for (std::size_t i = 0; i < options.lanes; ++i) {
      lanes.push_back(
          std::make_unique<Lane>(i, this->options, keyring, source.stream(i), ledgers, probe, runtime));
    }
    beat();
  }

  // GroupListener: all on the group thread.
  void assigned(std::vector<PartitionId> partitions, Group& group) override;
  void revoked(const std::vector<PartitionId>& partitions) override;
  void lost(const std::vector<PartitionId>& partitions) override;
  void tick(Group& group) override;

  void start_over();
  void claim_wanted(Group& group);
  void claim_in_background(Group& group);
  void assign_claimed(Group& group);
  std::vector<std::size_t> able_lanes() const;
  std::vector<std::int64_t> backlogs(Group& group);
  void publish_claiming();
  void let_go(const CloseCommand& command);
  void close_lanes(const CloseCommand& command);
  void look_after_database(Group& group);
  bool moved_elsewhere();
  void begin_anew(Group& group);
  void database_is(bool ok, std::string sentence);
  void beat() { heartbeat.store(runtime.now().time_since_epoch().count()); }

  const IngestOptions options;
  Source& source;
  Probe& probe;
  Runtime& runtime;
  std::atomic<Deadline::rep> heartbeat;
  std::unique_ptr<Ledger> ledger;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::atomic<bool> draining = false;

  // What the group gave us; of it, what is not claimed yet, and what is claimed but not assigned yet.
  std::vector<PartitionId> held;
  std::vector<PartitionId> wanted;
  std::vector<std::pair<PartitionId, Claim>> claimed;
  std::set<PartitionId> begun;  ///< all that were ever claimed
  bool live = false;            ///< something is assigned
  Deadline claiming_since{};
  Deadline next_claim{};
  Deadline next_leaf_check{};
  Deadline next_database_check{};

  mutable std::mutex mutex;  // guards what follows, which status() reads
  bool joined = false;
  bool database_ok = false;
  std::string database_sentence = "not asked yet";
  std::vector<PartitionId> claiming;
};

void Ingester::State::assigned(std::vector<PartitionId> partitions, Group& group) {
  probe.rebalanced("assigned");
  held = std::move(partitions);
  start_over();
  {
    const std::lock_guard lock(mutex);
    joined = true;
  }
  claim_wanted(group);
  if (wanted.empty()) {
    assign_claimed(group);
  } else {
    group.assign({});  // answers the group; the rest is claimed in the background
  }
}

/// All that we hold is to be claimed and assigned, together.
void Ingester::State::start_over() {
  wanted = held;
  claimed.clear();
  live = false;
  claiming_since = runtime.now();
  publish_claiming();
}

/// Claims what is wanted within the deadline. One that cannot be claimed now goes to the end of the line, so
/// that it does not keep the others.
void Ingester::State::claim_wanted(Group& group) {
  const Deadline deadline = runtime.now() + options.assign_deadline;
  next_claim = runtime.now() + options.claim_retry;
  for (std::size_t tries = wanted.size(); tries > 0 && runtime.now() < deadline; --tries) {
    beat();
    const PartitionId id = wanted.front();
    wanted.erase(wanted.begin());
    try {
      const auto extent = [&] { return group.extents({&id, 1}, options.assign_deadline).front(); };
      const bool at_end = options.start_new_partitions_at_end && !begun.contains(id);
      crash_point("before_claim");
      if (const auto claim = claim_or_begin(*ledger, id, options.owner, at_end, extent)) {
        crash_point("after_claim");
        begun.insert(id);
        probe.claimed("ok");
        claimed.emplace_back(id, *claim);
        database_is(true, "");
        continue;
      }
      probe.claimed("log_unknown");
      wanted.push_back(id);
    } catch (const LedgerError& error) {
      wanted.push_back(id);
      probe.claimed("failed");
      probe.database_failed(error.sqlstate(), error.what());
      database_is(false, error.what());
      break;
    }
  }
  publish_claiming();
}

/// Goes on claiming what could not be claimed at once. What is claimed is assigned when all is, or when the
/// rest keeps us waiting; a late one is then assigned by starting over, since nothing may be assigned over a
/// live assignment.
void Ingester::State::claim_in_background(Group& group) {
  claim_wanted(group);
  if (claimed.empty()) return;
  if (live) {
    begin_anew(group);
  } else if (wanted.empty() || runtime.now() - claiming_since > options.assign_deadline) {
    assign_claimed(group);
  }
}

/// Lets all go and claims it again: every lane then reads from where the database is.
void Ingester::State::begin_anew(Group& group) {
  close_lanes(
      {.reason = FlushReason::revoke, .drop = false, .deadline = runtime.now() + options.flush_on_revoke});
  group.unassign();
  start_over();
  next_claim = runtime.now();
  next_database_check = runtime.now() + options.database_check_interval;
}

/// Whether a partition stands elsewhere than a lane left it: behind, after a failover to a standby that lost
/// commits, or in the next log, which an operator accepted. A lane notices by itself when it writes, but the
/// lane of a quiet partition, or of a halted one, has nothing to write.
bool Ingester::State::moved_elsewhere() {
  std::vector<PartitionId> ids;
  std::vector<StoredPosition> left;
  for (const auto& lane : lanes) {
    if (!lane->mailbox().idle()) continue;  // what it tells is what it is about to leave
    for (const PartitionStatus& partition : lane->partitions()) {
      ids.push_back(partition.id);
      left.push_back({partition.log_epoch, partition.next_offset});
    }
  }
  const auto stored = ledger->positions(ids);
  bool moved = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const StoredPosition now = stored[i].value_or(StoredPosition{});
    const bool accepted = now.log_epoch > left[i].log_epoch;
    const bool behind = !stored[i] || now < left[i];
    if (behind) probe.commits_lost(ids[i], now.next_offset);
    moved = moved || accepted || behind;
  }
  return moved;
}

/// Those that do what they are told; all, where every one hangs.
std::vector<std::size_t> Ingester::State::able_lanes() const {
  std::vector<std::size_t> able;
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (lanes[i]->mailbox().idle()) able.push_back(i);
    all.push_back(i);
  }
  return able.empty() ? all : able;
}

/// How many records wait in each claimed partition; none where the broker does not say.
std::vector<std::int64_t> Ingester::State::backlogs(Group& group) {
  std::vector<PartitionId> ids;
  for (const auto& [id, claim] : claimed) ids.push_back(id);
  const auto extents = group.extents(ids, kBacklogPatience);
  std::vector<std::int64_t> backlogs;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    const Offset next = claimed[i].second.next_offset;
    backlogs.push_back(extents[i] ? std::max<std::int64_t>(distance(next, extents[i]->end), 0) : 0);
  }
  return backlogs;
}

void Ingester::State::assign_claimed(Group& group) {
  const std::vector<std::size_t> able = able_lanes();
  const std::vector<std::size_t> place = spread(backlogs(group), able.size());
  std::vector<Start> starts;
  std::vector<OpenCommand> opened(lanes.size());
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    const auto& [id, claim] = claimed[i];
    const std::size_t lane = able[place[i]];
    starts.push_back({id, Position(claim).fetch_from(), lane});
    opened[lane].partitions.emplace_back(id, claim);
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (!opened[i].partitions.empty()) lanes[i]->mailbox().send(std::move(opened[i]));
  }
  claimed.clear();
  live = true;
  publish_claiming();
  group.assign(starts);
}

void Ingester::State::publish_claiming() {
  std::vector<PartitionId> ids = wanted;
  for (const auto& [id, claim] : claimed) ids.push_back(id);
  const std::lock_guard lock(mutex);
  claiming = std::move(ids);
}

void Ingester::State::revoked(const std::vector<PartitionId>&) {
  probe.rebalanced("revoked");
  // A drain leaves a sixth of its time for leaving the group.
  const milliseconds patience =
      draining ? options.drain_deadline - options.drain_deadline / 6 : options.flush_on_revoke;
  let_go({.reason = draining ? FlushReason::shutdown : FlushReason::revoke,
          .drop = false,
          .deadline = runtime.now() + patience});
}

void Ingester::State::lost(const std::vector<PartitionId>&) {
  probe.rebalanced("lost");
  let_go({.reason = FlushReason::revoke, .drop = true, .deadline = runtime.now() + options.flush_on_revoke});
}

void Ingester::State::let_go(const CloseCommand& command) {
  held.clear();
  start_over();
  close_lanes(command);
}

/// A lane that hangs in the database keeps its close in the mailbox: what it still commits is fenced by the
/// next owner's claim.
void Ingester::State::close_lanes(const CloseCommand& command) {
  for (const auto& lane : lanes) lane->mailbox().send(command);
  for (const auto& lane : lanes) {
    beat();
    (void)lane->mailbox().wait_done(command.deadline);
  }
}

void Ingester::State::tick(Group& group) {
  beat();
  if (!wanted.empty() && runtime.now() >= next_claim) claim_in_background(group);
  look_after_database(group);
}

void Ingester::State::look_after_database(Group& group) {
  const auto now = runtime.now();
  try {
    if (now >= next_database_check) {
      next_database_check = now + options.database_check_interval;
      ledger->check();
      if (live && moved_elsewhere()) begin_anew(group);
      database_is(true, "");
    }
    if (now >= next_leaf_check) {
      ledger->ensure_leaves(wall_clock(), options.leaves_ahead);
      next_leaf_check = now + options.leaf_check_interval;
    }
  } catch (const LedgerError& error) {
    next_leaf_check = std::max(next_leaf_check, now + options.database_check_interval);
    probe.database_failed(error.sqlstate(), error.what());
    database_is(false, error.what());
  }
}

void Ingester::State::database_is(bool ok, std::string sentence) {
  const std::lock_guard lock(mutex);
  database_ok = ok;
  database_sentence = std::move(sentence);
}

Ingester::Ingester(const IngestOptions& options, const Keyring& keyring, Source& source,
                   LedgerFactory ledgers, Probe& probe, Runtime& runtime)
    : state_(std::make_unique<State>(options, keyring, source, ledgers, probe, runtime)) {}

Ingester::~Ingester() = default;

bool Ingester::run(std::stop_token stop) {
  const std::stop_callback drain(stop, [this] { state_->draining = true; });
  std::vector<std::function<void()>> lanes;
  for (const auto& lane : state_->lanes) lanes.emplace_back([&lane] { lane->run(); });
  state_->runtime.run_beside(std::move(lanes), [&] {
    const FinishLanes finish{state_->lanes};
    state_->source.serve(*state_, stop);
  });
  return std::all_of(state_->lanes.begin(), state_->lanes.end(),
                     [](const auto& lane) { return lane->given_up() == 0; });
}

void Ingester::take_batch_limits(const IngestOptions& options) {
  for (const auto& lane : state_->lanes) lane->take_batch_limits(options);
}

IngesterStatus Ingester::status() const {
  IngesterStatus status;
  status.draining = state_->draining;
  status.group_heartbeat = Deadline(Deadline::duration(state_->heartbeat.load()));
  for (const auto& lane : state_->lanes) {
    status.lanes.push_back(lane->status());
    auto partitions = lane->partitions();
    std::move(partitions.begin(), partitions.end(), std::back_inserter(status.partitions));
  }
  const std::lock_guard lock(state_->mutex);
  status.joined = state_->joined;
  status.database_ok = state_->database_ok;
  status.database_sentence = state_->database_sentence;
  for (const PartitionId& id : state_->claiming) status.partitions.emplace_back().id = id;
  return status;
}

}  // namespace sealstream
