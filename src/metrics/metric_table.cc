#include "metrics/metric_table.h"

#include <cassert>

namespace sealstream {
namespace {

using enum MetricType;

constexpr MetricSpec kTable[] = {
    // Flow: does what comes in go out?
    {"sealstream_records_consumed_total", counter, {"topic"}, "Records whose effect is committed."},
    {"sealstream_consumed_bytes_total",
     counter,
     {},
     "Bytes of keys, values and headers of committed records."},
    {"sealstream_events_persisted_total", counter, {"topic", "family"}, "Events sealed and committed."},
    {"sealstream_records_quarantined_total",
     counter,
     {"topic", "reason"},
     "Records refused and kept in quarantine."},
    {"sealstream_events_duplicate_total",
     counter,
     {},
     "Events that were in the ledger already, with the same content."},
    {"sealstream_duplicates_unverified_total",
     counter,
     {},
     "Duplicates whose content could not be compared, because the key of the stored digest is gone."},
    {"sealstream_records_in_flight", gauge, {}, "Records taken from Kafka and not yet committed."},
    {"sealstream_batches_total",
     counter,
     {"flush_reason", "result"},
     "Batches by what closed them and how they ended."},
    {"sealstream_batch_rows", histogram, {}, "Rows that a committed batch wrote to the ledger."},
    {"sealstream_batch_bytes", histogram, {}, "Bytes of keys, values and headers of a committed batch."},
    {"sealstream_secrets_redacted_total",
     counter,
     {"rule"},
     "Secrets replaced by a marker before anything was stored."},

    // Position: how far behind, and who reads what?
    {"sealstream_partition_next_offset", gauge, {"topic", "partition"}, "Offset that is committed next."},
    {"sealstream_partition_end_offset",
     gauge,
     {"topic", "partition"},
     "End of the partition, as the broker last said."},
    {"sealstream_consumer_lag_records", gauge, {"topic", "partition"}, "Offsets between next and end."},
    {"sealstream_consumer_lag_seconds",
     gauge,
     {"topic", "partition"},
     "Age of the oldest record that is not committed, at most; 0 when caught up."},
    {"sealstream_retention_headroom_seconds",
     gauge,
     {"topic", "partition"},
     "Time until retention takes a record that is not committed; absent where the topic keeps records for "
     "ever."},
    {"sealstream_topic_partitions", gauge, {"topic"}, "Partitions of the topic."},
    {"sealstream_partition_assigned",
     gauge,
     {"topic", "partition"},
     "1 while this instance reads the partition."},
    {"sealstream_rebalances_total", counter, {"event"}, "Decisions of the consumer group."},
    {"sealstream_tenant_split_total",
     counter,
     {},
     "Tenants seen in two partitions of a topic: their producers use different partitioners."},

    // Integrity: is anything lost, fenced or doubted?
    {"sealstream_missed_records_total",
     counter,
     {"cause"},
     "Records that cannot be read any more. Never without an alarm."},
    {"sealstream_offset_gaps_total", counter, {"kind"}, "Offsets that hold no record, explained by the log."},
    {"sealstream_chain_appends_total", counter, {}, "Rows appended to chains: events and tombstones."},
    {"sealstream_head_conflicts_total",
     counter,
     {},
     "Batches sealed again because another lane or instance moved a head."},
    {"sealstream_fenced_commits_total",
     counter,
     {},
     "Partitions whose batch was dropped because another owner had claimed them."},
    {"sealstream_fence_alarms_total", counter, {}, "Times that a lane was fenced too often within a minute."},
    {"sealstream_claims_total", counter, {"result"}, "Claims of partitions."},
    {"sealstream_log_unverified_total",
     counter,
     {},
     "Partitions gone on with although their last committed record could not be compared with the log."},
    {"sealstream_commits_lost_total",
     counter,
     {},
     "Partitions whose last commits a failover made the database forget, so that they were read again."},
    {"sealstream_late_events_total",
     counter,
     {},
     "Events of API keys that came after their minute had closed: no anomaly rule sees them."},
    {"sealstream_queue_forward_lost_total",
     counter,
     {},
     "Queues that had to be forwarded to their lane again."},

    // Anomalies: what do the keys do?
    {"sealstream_api_key_anomalies_total",
     counter,
     {"type", "severity"},
     "Anomalies of API keys found. Those of a commit that was in doubt are in the database only."},

    // Latency: how long does it take, and where?
    {"sealstream_end_to_end_latency_seconds",
     histogram,
     {},
     "From a record's Kafka timestamp to its commit."},
    {"sealstream_stage_duration_seconds", histogram, {"stage"}, "Time of a batch in each stage of its lane."},
    {"sealstream_commit_duration_seconds", histogram, {}, "Time of a batch's transaction."},

    // Dependencies: is it Kafka, PostgreSQL, or us?
    {"sealstream_kafka_errors_total",
     counter,
     {"code"},
     "Errors that librdkafka reported, and questions to the broker without a good answer."},
    {"sealstream_kafka_brokers_up", gauge, {}, "Brokers connected."},
    {"sealstream_db_errors_total",
     counter,
     {"sqlstate_class"},
     "Failures of the database; none: it did not answer."},
    {"sealstream_db_up", gauge, {}, "1 while the database does what is asked."},
    {"sealstream_db_in_doubt_total",
     counter,
     {"resolution"},
     "Commits without an answer, by what a claim then found."},
    {"sealstream_buffer_bytes", gauge, {}, "Bytes of records taken and not yet committed."},
    {"sealstream_buffer_limit_bytes", gauge, {}, "Bytes of records that all lanes together may hold."},
    {"sealstream_backpressure_seconds_total",
     counter,
     {},
     "Time that lanes took no records because the database did not."},
    {"sealstream_halted_partitions", gauge, {"cause"}, "Partitions that wait for an operator's decision."},
    {"sealstream_ready", gauge, {}, "1 while /readyz says yes."},
    {"sealstream_log_lines_suppressed_total", counter, {}, "Log lines left out by the rate limit."},
    {"sealstream_http_requests_total", counter, {"code"}, "Answers of the admin endpoints."},
    {"sealstream_build_info", gauge, {"version"}, "1, with the version that runs."},
};

constexpr MetricSpec kProcessTable[] = {
    {"process_cpu_seconds_total", counter, {}, "CPU time of the process, user and system."},
    {"process_resident_memory_bytes", gauge, {}, "Resident memory."},
    {"process_virtual_memory_bytes", gauge, {}, "Virtual memory."},
    {"process_open_fds", gauge, {}, "Open file descriptors."},
    {"process_max_fds", gauge, {}, "File descriptors that may be open."},
    {"process_threads", gauge, {}, "Threads."},
    {"process_start_time_seconds", gauge, {}, "When the process started, in seconds since 1970."},
};

}  // namespace

std::span<const MetricSpec> metric_table() { return kTable; }

std::span<const MetricSpec> process_metric_table() { return kProcessTable; }

std::vector<double> bucket_edges(std::string_view name) {
  if (name == "sealstream_batch_rows")
    return {1, 10, 50, 100, 500, 1'000, 2'500, 5'000, 10'000, 20'000, 50'000};
  if (name == "sealstream_batch_bytes") return {1e3, 1e4, 1e5, 5e5, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6};
  // An edge at each objective, so that what is within it can be counted exactly.
  if (name == "sealstream_end_to_end_latency_seconds")
    return {.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900};
  assert(name == "sealstream_stage_duration_seconds" || name == "sealstream_commit_duration_seconds");
  return {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
}

}  // namespace sealstream
