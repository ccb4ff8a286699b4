// The pipeline as a whole: opens and closes lanes' partitions as the group decides, and claims each one
// first.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "sealstream/core/keyring.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/options.h"
#include "sealstream/ingest/probe.h"
#include "sealstream/ingest/runtime.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

enum class PartitionState : std::uint8_t { claiming, verifying, reading, halted };
inline constexpr std::array kPartitionStateNames = {"claiming", "verifying", "reading", "halted"};

struct PartitionStatus {
  PartitionId id;
  PartitionState state = PartitionState::claiming;
  LogEpoch log_epoch;
  OwnerEpoch owner_epoch;
  Offset next_offset;
  std::size_t lane = 0;
  std::string halt_sentence;  ///< what an operator can do; empty unless halted
};

struct LaneStatus {
  std::size_t lane = 0;
  Runtime::TimePoint heartbeat;
  bool database_ok = true;
  std::string database_sentence;  ///< what is wrong, for /readyz; empty where nothing is
};

struct IngesterStatus {
  bool joined = false;    ///< the group has answered at least once
  bool draining = false;  ///< no more records are taken
  Runtime::TimePoint group_heartbeat;
  bool database_ok = false;
  std::string database_sentence;
  std::vector<LaneStatus> lanes;
  std::vector<PartitionStatus> partitions;
};

/// Owned by app/assemble; `run` is called once. Borrows everything that it is given.
class Ingester {
 public:
  Ingester(const IngestOptions& options, const Keyring& keyring, Source& source, LedgerFactory ledgers,
           Probe& probe, Runtime& runtime = machine_runtime());
  ~Ingester();
  Ingester(const Ingester&) = delete;
  Ingester& operator=(const Ingester&) = delete;

  /// Runs the lanes and serves the group on the calling thread, until `stop` is requested and what is in
  /// flight is committed, or the drain deadline has passed. True where nothing was given up.
  bool run(std::stop_token stop);

  /// Takes batch_rows, batch_rows_backlog and batch_bytes from these options, from the next batch of each
  /// lane on. Thread-safe.
  void take_batch_limits(const IngestOptions& options);

  /// A copy of what the pipeline is doing. Thread-safe; never waits for the database or Kafka.
  IngesterStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sealstream
