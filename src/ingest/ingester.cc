// The group thread's side of the pipeline: claims before it assigns, and lets go only what is committed.
#include "sealstream/ingest/ingester.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "ingest/lane.h"
#include "ingest/wall_clock.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

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
        Probe& probe)
      : options(options), source(source), probe(probe), ledger(ledgers([this] { beat(); })) {
    for (std::size_t i = 0; i < options.lanes; ++i) {
      lanes.push_back(std::make_unique<Lane>(i, this->options, keyring, source.stream(i), ledgers, probe));
    }
    beat();
  }

  // GroupListener: all on the group thread.
  void assigned(std::vector<PartitionId> partitions, Group& group) override;
  void revoked(const std::vector<PartitionId>& partitions) override;
  void lost(const std::vector<PartitionId>& partitions) override;
  void tick(Group& group) override;

  void claim_wanted(Group& group, Deadline deadline);
  void assign_claimed(Group& group);
  void close_lanes(const CloseCommand& command);
  void look_after_database();
  void database_is(bool ok, std::string sentence);
  void beat() { heartbeat.store(Clock::now().time_since_epoch().count()); }

  const IngestOptions options;
  Source& source;
  Probe& probe;
  std::atomic<Clock::rep> heartbeat;
  std::unique_ptr<Ledger> ledger;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::atomic<bool> draining = false;

  // What the group gave us and is not assigned yet: wanted partitions become claimed ones, and once all are,
  // they are assigned.
  std::vector<PartitionId> wanted;
  std::vector<std::pair<PartitionId, Claim>> claimed;
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
  claimed.clear();  // of an assignment that was never finished
  wanted = std::move(partitions);
  {
    const std::lock_guard lock(mutex);
    joined = true;
    claiming = wanted;
  }
  claim_wanted(group, Clock::now() + options.assign_deadline);
  if (wanted.empty()) {
    assign_claimed(group);
  } else {
    group.assign({});  // answers the group; the rest is claimed in the background
  }
}

/// Claims what is wanted, one after the other, until one cannot be claimed now or the deadline passes.
void Ingester::State::claim_wanted(Group& group, Deadline deadline) {
  next_claim = Clock::now() + options.claim_retry;
  while (!wanted.empty() && Clock::now() < deadline) {
    beat();
    const PartitionId& id = wanted.back();
    try {
      const auto claim =
          claim_or_begin(*ledger, id, options, [&] { return group.extent(id, options.assign_deadline); });
      if (!claim) {
        probe.claimed("log_unknown");
        return;
      }
      probe.claimed("ok");
      claimed.emplace_back(id, *claim);
      wanted.pop_back();
      database_is(true, "");
    } catch (const LedgerError& error) {
      probe.claimed("failed");
      probe.database_failed(error.sqlstate(), error.what());
      database_is(false, error.what());
      return;
    }
  }
}

void Ingester::State::assign_claimed(Group& group) {
  std::vector<Start> starts;
  std::vector<OpenCommand> opened(lanes.size());
  for (auto& [id, claim] : claimed) {
    const std::size_t lane = static_cast<std::size_t>(id.partition.value()) % lanes.size();
    starts.push_back({id, Position(claim).fetch_from(), lane});
    opened[lane].partitions.emplace_back(id, claim);
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (!opened[i].partitions.empty()) lanes[i]->mailbox().send(std::move(opened[i]));
  }
  claimed.clear();
  {
    const std::lock_guard lock(mutex);
    claiming.clear();
  }
  group.assign(starts);
}

void Ingester::State::revoked(const std::vector<PartitionId>&) {
  probe.rebalanced("revoked");
  const milliseconds patience = draining ? options.drain_deadline : options.flush_on_revoke;
  close_lanes({.reason = draining ? FlushReason::shutdown : FlushReason::revoke,
               .drop = false,
               .deadline = Clock::now() + patience});
}

void Ingester::State::lost(const std::vector<PartitionId>&) {
  probe.rebalanced("lost");
  close_lanes(
      {.reason = FlushReason::revoke, .drop = true, .deadline = Clock::now() + options.flush_on_revoke});
}

/// A lane that hangs in the database keeps its close in the mailbox: what it still commits is fenced by the
/// next owner's claim.
void Ingester::State::close_lanes(const CloseCommand& command) {
  wanted.clear();
  claimed.clear();
  {
    const std::lock_guard lock(mutex);
    claiming.clear();
  }
  for (const auto& lane : lanes) lane->mailbox().send(command);
  for (const auto& lane : lanes) {
    beat();
    (void)lane->mailbox().wait_done(command.deadline);
  }
}

void Ingester::State::tick(Group& group) {
  beat();
  const auto now = Clock::now();
  if (!wanted.empty() && now >= next_claim) {
    claim_wanted(group, now + options.assign_deadline);
    if (wanted.empty()) assign_claimed(group);
  }
  look_after_database();
}

void Ingester::State::look_after_database() {
  const auto now = Clock::now();
  try {
    if (now >= next_database_check) {
      next_database_check = now + options.database_check_interval;
      ledger->check();
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
                   LedgerFactory ledgers, Probe& probe)
    : state_(std::make_unique<State>(options, keyring, source, ledgers, probe)) {}

Ingester::~Ingester() = default;

bool Ingester::run(std::stop_token stop) {
  const std::stop_callback drain(stop, [this] { state_->draining = true; });
  std::vector<std::jthread> threads;
  for (const auto& lane : state_->lanes) threads.emplace_back([&lane] { lane->run(); });
  {
    const FinishLanes finish{state_->lanes};
    state_->source.serve(*state_, stop);
  }
  threads.clear();
  return std::all_of(state_->lanes.begin(), state_->lanes.end(),
                     [](const auto& lane) { return lane->given_up() == 0; });
}

IngesterStatus Ingester::status() const {
  IngesterStatus status;
  status.draining = state_->draining;
  status.group_heartbeat = Clock::time_point(Clock::duration(state_->heartbeat.load()));
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
