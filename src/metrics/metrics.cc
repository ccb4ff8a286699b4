#include "metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <sstream>

#include "metrics/families.h"
#include "metrics/partition_metrics.h"
#include "metrics/process_metrics.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr std::string_view kLedgerFaults[] = {"head_conflict", "fenced",      "duplicate",     "row",
                                              "ours",          "unavailable", "misconfigured", "in_doubt"};
constexpr std::string_view kClaimResults[] = {"ok",   "log_unknown", "failed",        "timeout", "fenced",
                                              "ours", "unavailable", "misconfigured", "in_doubt"};
constexpr std::string_view kRebalanceEvents[] = {"assigned", "revoked", "lost"};
constexpr std::string_view kGapKinds[] = {"control", "lag_end"};
constexpr std::string_view kDoubtResolutions[] = {"committed", "not_committed", "moved_on"};
constexpr std::string_view kKafkaCodes[] = {"_ALL_BROKERS_DOWN",
                                            "_AUTHENTICATION",
                                            "_BAD_MSG",
                                            "_DESTROY",
                                            "_FAIL",
                                            "_FATAL",
                                            "_MAX_POLL_EXCEEDED",
                                            "_QUEUE_FULL",
                                            "_RESOLVE",
                                            "_SSL",
                                            "_STATE",
                                            "_TIMED_OUT",
                                            "_TRANSPORT",
                                            "_UNKNOWN_PARTITION",
                                            "_UNKNOWN_TOPIC",
                                            "CLUSTER_AUTHORIZATION_FAILED",
                                            "COORDINATOR_LOAD_IN_PROGRESS",
                                            "COORDINATOR_NOT_AVAILABLE",
                                            "FENCED_INSTANCE_ID",
                                            "GROUP_AUTHORIZATION_FAILED",
                                            "ILLEGAL_GENERATION",
                                            "INVALID_MSG",
                                            "LEADER_NOT_AVAILABLE",
                                            "NOT_COORDINATOR",
                                            "NOT_LEADER_FOR_PARTITION",
                                            "OFFSET_OUT_OF_RANGE",
                                            "REBALANCE_IN_PROGRESS",
                                            "REQUEST_TIMED_OUT",
                                            "SASL_AUTHENTICATION_FAILED",
                                            "TOPIC_AUTHORIZATION_FAILED",
                                            "UNKNOWN_MEMBER_ID",
                                            "UNKNOWN_TOPIC_OR_PART",
                                            "another_log",
                                            "log_seems_cut",
                                            "seek"};
/// The first two characters of SQLSTATEs; "none" where the server did not answer.
constexpr std::string_view kSqlstateClasses[] = {"none", "08", "0A", "21", "22", "23", "25",
                                                 "26",   "28", "2D", "3D", "3F", "40", "42",
                                                 "53",   "54", "55", "57", "58", "SL", "XX"};
constexpr std::string_view kAnomalyTypes[] = {"high_request_rate", "high_error_rate", "multiple_ips",
                                              "unusual_time",      "brute_force",     "data_exfiltration"};
constexpr std::string_view kSeverities[] = {"low", "medium", "high", "critical"};
constexpr std::string_view kHttpCodes[] = {"200", "400", "404", "405", "408", "413", "431", "500", "503"};

struct TopicSeries {
  Counter* consumed = nullptr;
  std::array<Counter*, kFamilyCount> persisted{};
  std::array<Counter*, kReasonCount> quarantined{};
  Gauge* partitions = nullptr;
};

/// Sorts values into the buckets of a histogram: one lock for all of them.
void observe_all(Histogram& histogram, const std::vector<double>& edges, const std::vector<double>& values) {
  if (values.empty()) return;
  std::vector<double> counts(edges.size() + 1);
  for (double value : values) ++counts[std::ranges::lower_bound(edges, value) - edges.begin()];
  histogram.ObserveMultiple(counts, std::accumulate(values.begin(), values.end(), 0.0));
}

std::vector<std::string_view> rule_names() {
  std::vector<std::string_view> names;
  for (const SecretRule& rule : secret_rules()) names.push_back(rule.name);
  return names;
}

std::vector<prometheus::MetricFamily> process_families() {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& [name, value] : process_values()) {
    for (const MetricSpec& spec : process_metric_table()) {
      if (spec.name != name) continue;
      prometheus::ClientMetric metric;
      const bool counts = spec.type == MetricType::counter;
      (counts ? metric.counter.value : metric.gauge.value) = value;
      families.push_back({std::string(name),
                          std::string(spec.help),
                          counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
                          {metric}});
    }
  }
  return families;
}

}  // namespace

struct Metrics::State {
  explicit State(const Options& options);

  TopicSeries make_topic(const std::string& topic);
  void make_batches();
  void make_anomalies();
  Counter& counter(std::string_view name) { return counters(registry, name).Add({}); }
  Gauge& gauge(std::string_view name) { return gauges(registry, name).Add({}); }
  void add_topic_flow(const TopicSeries& series, const TopicFlow& flow);

  prometheus::Registry registry;
  std::map<std::string, TopicSeries, std::less<>> topics;  ///< immutable
  std::array<std::map<std::string, Counter*, std::less<>>, kFlushReasonNames.size()> batches;
  std::map<std::pair<std::string, std::string>, Counter*> anomalies;  ///< by type and severity; immutable
  std::vector<Counter*> redacted;
  std::array<Histogram*, kStageNames.size()> stages{};
  std::array<Counter*, kHaltCauseNames.size()> missed{};
  PartitionMetrics partitions{registry};

  Counter& consumed_bytes = counter("consumed_bytes_total");
  Counter& duplicates = counter("events_duplicate_total");
  Counter& duplicates_unverified = counter("duplicates_unverified_total");
  Gauge& records_in_flight = gauge("records_in_flight");
  Histogram& batch_rows = histogram(registry, "batch_rows");
  Histogram& batch_bytes = histogram(registry, "batch_bytes");
  LabelledCounters rebalances{registry, "rebalances_total", kRebalanceEvents};
  Counter& tenant_split = counter("tenant_split_total");
  LabelledCounters gaps{registry, "offset_gaps_total", kGapKinds};
  Counter& chain_appends = counter("chain_appends_total");
  Counter& head_conflicts = counter("head_conflicts_total");
  Counter& fenced_commits = counter("fenced_commits_total");
  Counter& fence_alarms = counter("fence_alarms_total");
  LabelledCounters claims{registry, "claims_total", kClaimResults};
  Counter& log_unverified = counter("log_unverified_total");
  Counter& commits_lost = counter("commits_lost_total");
  Counter& late_events = counter("late_events_total");
  Counter& queue_forward_lost = counter("queue_forward_lost_total");
  Histogram& latency = histogram(registry, "end_to_end_latency_seconds");
  const std::vector<double> latency_edges = bucket_edges("sealstream_end_to_end_latency_seconds");
  Histogram& commit_duration = histogram(registry, "commit_duration_seconds");
  LabelledCounters kafka_errors{registry, "kafka_errors_total", kKafkaCodes};
  Gauge& kafka_brokers_up = gauge("kafka_brokers_up");
  LabelledCounters db_errors{registry, "db_errors_total", kSqlstateClasses};
  Gauge& db_up = gauge("db_up");
  LabelledCounters in_doubt{registry, "db_in_doubt_total", kDoubtResolutions};
  Gauge& buffer_bytes = gauge("buffer_bytes");
  Counter& backpressure = counter("backpressure_seconds_total");
  Gauge& buffer_limit = gauge("buffer_limit_bytes");
  Gauge& ready = gauge("ready");
  Counter& suppressed = counter("log_lines_suppressed_total");
  LabelledCounters http{registry, "http_requests_total", kHttpCodes};

  std::mutex mutex;                                                  ///< guards what follows
  std::map<std::size_t, std::pair<std::size_t, std::size_t>> lanes;  ///< records and bytes in flight
};

Metrics::State::State(const Options& options) {
  for (const std::string& topic : options.topics) topics.emplace(topic, make_topic(topic));
  make_batches();
  make_anomalies();
  auto& redactions = counters(registry, "secrets_redacted_total");
  for (std::string_view rule : rule_names())
    redacted.push_back(&redactions.Add({{"rule", std::string(rule)}}));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    stages[i] = &histogram(registry, "stage_duration_seconds", {{"stage", kStageNames[i]}});
  }
  for (std::size_t i = 0; i < missed.size(); ++i) {
    missed[i] = &counters(registry, "missed_records_total").Add({{"cause", kHaltCauseNames[i]}});
  }
  buffer_limit.Set(static_cast<double>(options.buffer_limit_bytes));
  gauges(registry, "build_info").Add({{"version", options.version}}).Set(1);
}

TopicSeries Metrics::State::make_topic(const std::string& topic) {
  TopicSeries series;
  series.consumed = &counters(registry, "records_consumed_total").Add({{"topic", topic}});
  auto& persisted = counters(registry, "events_persisted_total");
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    series.persisted[i] =
        &persisted.Add({{"topic", topic}, {"family", std::string(name(static_cast<Family>(i)))}});
  }
  auto& quarantined = counters(registry, "records_quarantined_total");
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    series.quarantined[i] =
        &quarantined.Add({{"topic", topic}, {"reason", std::string(name(static_cast<Reason>(i)))}});
  }
  series.partitions = &gauges(registry, "topic_partitions").Add({{"topic", topic}});
  return series;
}

void Metrics::State::make_batches() {
  auto& family = counters(registry, "batches_total");
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const auto add = [&](std::string_view result) {
      batches[i].emplace(
          result, &family.Add({{"flush_reason", kFlushReasonNames[i]}, {"result", std::string(result)}}));
    };
    add("committed");
    for (std::string_view fault : kLedgerFaults) add(fault);
    add("other");
  }
}

void Metrics::State::make_anomalies() {
  auto& family = counters(registry, "api_key_anomalies_total");
  for (const std::string_view type : kAnomalyTypes) {
    for (const std::string_view severity : kSeverities) {
      auto& series = family.Add({{"type", std::string(type)}, {"severity", std::string(severity)}});
      anomalies.emplace(std::pair(type, severity), &series);
    }
  }
}

void Metrics::State::add_topic_flow(const TopicSeries& series, const TopicFlow& flow) {
  series.consumed->Increment(static_cast<double>(flow.records));
  consumed_bytes.Increment(static_cast<double>(flow.bytes));
  for (std::size_t i = 0; i < kFamilyCount; ++i)
    series.persisted[i]->Increment(static_cast<double>(flow.persisted[i]));
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    series.quarantined[i]->Increment(static_cast<double>(flow.quarantined[i]));
  }
}

Metrics::Metrics(const Options& options) : state_(std::make_unique<State>(options)) {}
Metrics::~Metrics() = default;

std::string Metrics::text() {
  state_->partitions.refresh();
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  for (prometheus::MetricFamily& family : process_families()) families.push_back(std::move(family));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

void Metrics::set_buffer_limit(std::size_t bytes) { state_->buffer_limit.Set(static_cast<double>(bytes)); }

void Metrics::set_ready(bool ready) { state_->ready.Set(ready ? 1 : 0); }

void Metrics::set_retention(const std::string& topic, double seconds) {
  state_->partitions.set_retention(topic, seconds);
}

void Metrics::log_lines_suppressed(std::size_t lines) {
  state_->suppressed.Increment(static_cast<double>(lines));
}

void Metrics::http_answered(int code) { state_->http.at(std::to_string(code)).Increment(); }

void Metrics::committed(const BatchReport& batch) {
  State& state = *state_;
  for (const auto& [topic, flow] : batch.topics) {
    const auto series = state.topics.find(topic);
    if (series != state.topics.end()) state.add_topic_flow(series->second, flow);
  }
  state.duplicates.Increment(static_cast<double>(batch.duplicates));
  state.chain_appends.Increment(static_cast<double>(batch.rows));
  state.late_events.Increment(static_cast<double>(batch.late_events));
  for (const AnomalyCount& anomaly : batch.anomalies) {
    state.anomalies.at({anomaly.type, anomaly.severity})->Increment(static_cast<double>(anomaly.found));
  }
  for (std::size_t rule = 0; rule < std::min(batch.redactions.size(), state.redacted.size()); ++rule) {
    state.redacted[rule]->Increment(batch.redactions[rule]);
  }
  state.batches[static_cast<std::size_t>(batch.flush_reason)].find("committed")->second->Increment();
  state.batch_rows.Observe(static_cast<double>(batch.rows));
  state.batch_bytes.Observe(static_cast<double>(batch.bytes));
  observe_all(state.latency, state.latency_edges, batch.latencies_seconds);
  state.partitions.committed(batch);
}

void Metrics::batch_failed(FlushReason reason, std::string_view result) {
  const auto& results = state_->batches[static_cast<std::size_t>(reason)];
  const auto found = results.find(result);
  (found != results.end() ? found : results.find("other"))->second->Increment();
}

void Metrics::stage_took(Stage stage, double seconds) {
  state_->stages[static_cast<std::size_t>(stage)]->Observe(seconds);
  if (stage == Stage::commit) state_->commit_duration.Observe(seconds);
}

void Metrics::in_flight(std::size_t lane, std::size_t records, std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->lanes[lane] = {records, bytes};
  std::size_t all_records = 0, all_bytes = 0;
  for (const auto& [index, held] : state_->lanes) {
    all_records += held.first;
    all_bytes += held.second;
  }
  state_->records_in_flight.Set(static_cast<double>(all_records));
  state_->buffer_bytes.Set(static_cast<double>(all_bytes));
}

void Metrics::backpressure(double seconds) { state_->backpressure.Increment(seconds); }
void Metrics::rebalanced(std::string_view event) { state_->rebalances.at(event).Increment(); }
void Metrics::tenant_split() { state_->tenant_split.Increment(); }

void Metrics::topic_partitions(const std::string& topic, int partitions) {
  const auto found = state_->topics.find(topic);
  if (found != state_->topics.end()) found->second.partitions->Set(partitions);
}

void Metrics::gap(std::string_view kind, std::int64_t offsets) {
  state_->gaps.at(kind).Increment(static_cast<double>(offsets));
}

void Metrics::missed(HaltCause cause, std::int64_t records) {
  state_->missed[static_cast<std::size_t>(cause)]->Increment(static_cast<double>(records));
}

void Metrics::partition_assigned(const PartitionId& id, Offset next_offset) {
  state_->partitions.assigned(id, next_offset);
}
void Metrics::partition_released(const PartitionId& id) { state_->partitions.released(id); }
void Metrics::extent(const PartitionId& id, Extent extent) { state_->partitions.extent(id, extent); }
void Metrics::halted(const PartitionId& id, HaltCause cause, std::string_view) {
  state_->partitions.halted(id, cause);
}

void Metrics::claimed(std::string_view result) { state_->claims.at(result).Increment(); }
void Metrics::head_conflict() { state_->head_conflicts.Increment(); }
void Metrics::fenced(const PartitionId&) { state_->fenced_commits.Increment(); }
void Metrics::fence_alarm(std::size_t) { state_->fence_alarms.Increment(); }
void Metrics::log_unverified(const PartitionId&) { state_->log_unverified.Increment(); }
void Metrics::commits_lost(const PartitionId&, Offset) { state_->commits_lost.Increment(); }
void Metrics::queue_forward_lost(const PartitionId&) { state_->queue_forward_lost.Increment(); }
void Metrics::in_doubt(std::string_view resolution) { state_->in_doubt.at(resolution).Increment(); }
void Metrics::duplicate_unverified() { state_->duplicates_unverified.Increment(); }
void Metrics::kafka_error(std::string_view code, std::string_view) {
  state_->kafka_errors.at(code).Increment();
}
void Metrics::brokers_up(int brokers) { state_->kafka_brokers_up.Set(brokers); }
void Metrics::database_ok() { state_->db_up.Set(1); }

void Metrics::database_failed(std::string_view sqlstate, std::string_view) {
  state_->db_up.Set(0);
  state_->db_errors.at(sqlstate.empty() ? "none" : sqlstate.substr(0, 2)).Increment();
}

}  // namespace sealstream
