// The port to observability: what the pipeline reports about itself, as verbs. Implemented by
// metrics/metrics.h, and by a fake in the tests. All calls are thread-safe, cheap, and never throw.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/error.h"
#include "sealstream/core/event.h"
#include "sealstream/core/ids.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

enum class FlushReason : std::uint8_t { rows, bytes, linger, end, revoke, shutdown };
inline constexpr std::array kFlushReasonNames = {"rows", "bytes", "linger", "end", "revoke", "shutdown"};

enum class Stage : std::uint8_t { fill, prepare, seal, commit };
inline constexpr std::array kStageNames = {"fill", "prepare", "seal", "commit"};

/// Why a partition is not read on until an operator decides.
enum class HaltCause : std::uint8_t { retention_overrun, not_same_log, create_time, compacted };
inline constexpr std::array kHaltCauseNames = {"retention_overrun", "not_same_log", "create_time",
                                               "compacted"};

/// One topic's share of a committed batch.
struct TopicFlow {
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::array<std::int64_t, kFamilyCount> persisted{};
  std::array<std::int64_t, kReasonCount> quarantined{};
};

/// What one committed batch did.
struct BatchReport {
  std::size_t lane = 0;
  FlushReason flush_reason = FlushReason::linger;
  std::size_t rows = 0;   ///< rows written to the ledger, tombstones included
  std::size_t bytes = 0;  ///< keys, values and headers of its records
  std::map<std::string, TopicFlow> topics;
  std::int64_t duplicates = 0;
  std::int64_t skipped = 0;
  std::int64_t late_events = 0;           ///< of keys, after their minute had closed
  std::vector<AnomalyCount> anomalies;    ///< found by it
  std::vector<std::uint32_t> redactions;  ///< by index in secret_rules()
  std::vector<double> latencies_seconds;  ///< Kafka timestamp to commit, one an event
  std::vector<std::pair<PartitionId, Offset>> next_offsets;
  std::vector<std::pair<PartitionId, Timestamp>>
      last_timestamps;  ///< Kafka's, of each partition's last record
};

class Probe {
 public:
  virtual ~Probe() = default;

  virtual void committed(const BatchReport& batch) = 0;
  virtual void batch_failed(FlushReason reason,
                            std::string_view result) = 0;  ///< result: a LedgerFault by name
  virtual void stage_took(Stage stage, double seconds) = 0;
  virtual void in_flight(std::size_t lane, std::size_t records, std::size_t bytes) = 0;
  virtual void backpressure(
      double seconds) = 0;  ///< a lane took no records because the database did not take them

  virtual void partition_assigned(const PartitionId& id, Offset next_offset) = 0;
  virtual void partition_released(const PartitionId& id) = 0;  ///< its series go
  virtual void extent(const PartitionId& id, Extent extent) = 0;
  virtual void topic_partitions(const std::string& topic, int partitions) = 0;
  virtual void rebalanced(std::string_view event) = 0;  ///< assigned, revoked, lost
  virtual void tenant_split() = 0;                      ///< a tenant was seen in two partitions of a topic

  virtual void gap(std::string_view kind,
                   std::int64_t offsets) = 0;  ///< control (explained), lag_end (behind the last record)
  virtual void missed(HaltCause cause, std::int64_t records) = 0;
  virtual void halted(const PartitionId& id, HaltCause cause, std::string_view sentence) = 0;
  virtual void claimed(std::string_view result) = 0;  ///< ok, timeout, unavailable
  virtual void head_conflict() = 0;
  virtual void fenced(const PartitionId& id) = 0;
  virtual void fence_alarm(std::size_t lane) = 0;
  virtual void log_unverified(const PartitionId& id) = 0;
  /// The database forgot what a lane had committed from `next_offset` on; it is read again.
  virtual void commits_lost(const PartitionId& id, Offset next_offset) = 0;
  virtual void queue_forward_lost(const PartitionId& id) = 0;
  virtual void in_doubt(std::string_view resolution) = 0;  ///< committed, not_committed, moved_on
  virtual void duplicate_unverified() = 0;                 ///< its stored digest's key was destroyed

  virtual void kafka_error(std::string_view code, std::string_view message) = 0;
  virtual void brokers_up(int brokers) = 0;
  /// A failure of the database, with the sentence for the log and /readyz; one that mends itself is reported
  /// once a second at most by the log, always by the counter.
  virtual void database_failed(std::string_view sqlstate, std::string_view sentence) = 0;
  virtual void database_ok() = 0;
};

}  // namespace sealstream
