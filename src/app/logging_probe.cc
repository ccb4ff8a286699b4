#include "app/logging_probe.h"

namespace sealstream {
namespace {

LogFields fields(const PartitionId& id) { return {.topic = id.topic, .partition = id.partition}; }

/// "schema 2, invalid_json 1"
std::string refusals(const TopicFlow& flow) {
  std::string list;
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (flow.quarantined[i] == 0) continue;
    list += (list.empty() ? "" : ", ") + std::string(name(static_cast<Reason>(i))) + " " +
            std::to_string(flow.quarantined[i]);
  }
  return list;
}

}  // namespace

void LoggingProbe::committed(const BatchReport& batch) {
  next_.committed(batch);
  for (const auto& [topic, flow] : batch.topics) {
    const std::string list = refusals(flow);
    if (!list.empty()) {
      log_.write(LogLevel::warning, "records_quarantined", "Records were refused and quarantined: " + list,
                 {.topic = topic});
    }
  }
}

void LoggingProbe::batch_failed(FlushReason reason, std::string_view result) {
  next_.batch_failed(reason, result);
  log_.write(LogLevel::debug, "batch_failed", "A batch was not committed: " + std::string(result));
}

void LoggingProbe::partition_assigned(const PartitionId& id, Offset next_offset) {
  next_.partition_assigned(id, next_offset);
  log_.write(LogLevel::info, "partition_assigned", "Reading goes on at this offset",
             {.topic = id.topic, .partition = id.partition, .offset = next_offset});
}

void LoggingProbe::partition_released(const PartitionId& id) {
  next_.partition_released(id);
  log_.write(LogLevel::info, "partition_released", "The partition was let go", fields(id));
}

void LoggingProbe::rebalanced(std::string_view event) {
  next_.rebalanced(event);
  log_.write(LogLevel::info, "rebalanced", "The consumer group decided: " + std::string(event));
}

void LoggingProbe::tenant_split() {
  next_.tenant_split();
  log_.write(LogLevel::warning, "tenant_split",
             "A tenant was seen in two partitions of a topic: its producers use different partitioners");
}

void LoggingProbe::gap(std::string_view kind, std::int64_t offsets) {
  next_.gap(kind, offsets);
  log_.write(
      LogLevel::debug, "offset_gap",
      std::to_string(offsets) + " offsets hold no record (" + std::string(kind) + "): counted as skipped");
}

void LoggingProbe::missed(HaltCause cause, std::int64_t records) {
  next_.missed(cause, records);
  log_.write(LogLevel::error, "records_missed",
             std::to_string(records) +
                 " records cannot be read any more: " + kHaltCauseNames[static_cast<std::size_t>(cause)]);
}

void LoggingProbe::halted(const PartitionId& id, HaltCause cause, std::string_view sentence) {
  next_.halted(id, cause, sentence);
  LogFields where = fields(id);
  where.error_code = kHaltCauseNames[static_cast<std::size_t>(cause)];
  log_.write(LogLevel::error, "partition_halted", sentence, where);
}

void LoggingProbe::claimed(std::string_view result) {
  next_.claimed(result);
  if (result != "ok") {
    log_.write(LogLevel::warning, "claim_failed",
               "A partition could not be claimed yet: " + std::string(result));
  }
}

void LoggingProbe::fenced(const PartitionId& id) {
  next_.fenced(id);
  log_.write(LogLevel::warning, "fenced", "Another owner claimed the partition: the batch was dropped",
             fields(id));
}

void LoggingProbe::fence_alarm(std::size_t lane) {
  next_.fence_alarm(lane);
  log_.write(
      LogLevel::error, "fence_alarm",
      "Lane " + std::to_string(lane) +
          " is fenced again and again: two instances claim the same partitions. Do they share a group id?");
}

void LoggingProbe::log_unverified(const PartitionId& id) {
  next_.log_unverified(id);
  log_.write(LogLevel::warning, "log_unverified",
             "The last committed record is not in the log any more, so that it could not be compared",
             fields(id));
}

void LoggingProbe::commits_lost(const PartitionId& id, Offset next_offset) {
  next_.commits_lost(id, next_offset);
  log_.write(
      LogLevel::error, "commits_lost",
      "The database does not hold any more what was committed from this offset on (a failover to a standby "
      "that lost commits?); it is read from Kafka again",
      {.topic = id.topic, .partition = id.partition, .offset = next_offset});
}

void LoggingProbe::queue_forward_lost(const PartitionId& id) {
  next_.queue_forward_lost(id);
  log_.write(LogLevel::warning, "queue_forward_lost", "The partition's queue was forwarded to its lane again",
             fields(id));
}

void LoggingProbe::in_doubt(std::string_view resolution) {
  next_.in_doubt(resolution);
  log_.write(LogLevel::warning, "commit_in_doubt",
             "A commit got no answer; a claim settled it: " + std::string(resolution));
}

void LoggingProbe::duplicate_unverified() {
  next_.duplicate_unverified();
  log_.write(
      LogLevel::warning, "duplicate_unverified",
      "A duplicate's content could not be compared: the key of the stored digest is not in the keyring");
}

void LoggingProbe::kafka_error(std::string_view code, std::string_view message) {
  next_.kafka_error(code, message);
  log_.write(LogLevel::warning, "kafka_error", message, {.error_code = code});
}

void LoggingProbe::database_failed(std::string_view sqlstate, std::string_view sentence) {
  next_.database_failed(sqlstate, sentence);
  database_down_ = true;
  log_.write(LogLevel::warning, "database_failed", sentence, {.error_code = sqlstate});
}

void LoggingProbe::database_ok() {
  next_.database_ok();
  if (database_down_.exchange(false))
    log_.write(LogLevel::info, "database_ok", "The database does what is asked again");
}

}  // namespace sealstream
