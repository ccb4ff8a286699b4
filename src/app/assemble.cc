#include "app/assemble.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "app/connections.h"
#include "app/keyring_file.h"
#include "postgres/ledger.h"
#include "postgres/migrations.h"

namespace sealstream {
namespace {

/// Twice the cores, where the configuration leaves it open, since a lane waits for the database about half of
/// its time; but no more than the partitions that there are.
IngestOptions ingest_options(const Config& config, const std::vector<TopicFacts>& topics) {
  IngestOptions options = config.ingest;
  for (const TopicFacts& facts : topics) {
    if (facts.compacted()) options.compacted_topics.push_back(facts.topic);
  }
  if (!config.lanes_auto) return options;
  options.lanes = std::size_t{2} * std::max(1U, std::thread::hardware_concurrency());
  int partitions = 0;
  for (const TopicFacts& facts : topics) partitions = std::max(partitions, facts.partitions);
  if (partitions > 0) options.lanes = std::min(options.lanes, static_cast<std::size_t>(partitions));
  return options;
}

void count_topics(Metrics& metrics, const std::vector<TopicFacts>& topics) {
  for (const TopicFacts& facts : topics) {
    metrics.topic_partitions(facts.topic, facts.partitions);
    const bool limited = facts.problem.empty() && facts.retention_ms > 0;
    if (limited) metrics.set_retention(facts.topic, static_cast<double>(facts.retention_ms) / 1000);
  }
}

Metrics::Options metrics_options(const Config& config, const IngestOptions& options) {
  return {.topics = config.kafka.topics,
          .version = SEALSTREAM_VERSION,
          .buffer_limit_bytes = options.lanes * options.batch_bytes};
}

Log::Options log_options(const LogConfig& config, Metrics& metrics) {
  const bool human = config.format == "human" || (config.format == "auto" && ::isatty(STDERR_FILENO) == 1);
  return {.level = log_level(config.level),
          .format = human ? LogFormat::human : LogFormat::json,
          .on_suppressed = [&metrics](std::size_t lines) { metrics.log_lines_suppressed(lines); }};
}

LedgerFactory ledger_factory(const Config& config) {
  const ConnectionOptions options = connection_options(config.postgres, config.postgres.writer);
  return [options](std::function<void()> tick, milliseconds patience) {
    ConnectionOptions connection = options;
    connection.connect_timeout = std::min(connection.connect_timeout, patience);
    connection.answer_timeout = patience;
    return std::make_unique<PostgresLedger>(connection, known_schema_version(), std::move(tick));
  };
}

}  // namespace

Assembly::Assembly(const Config& config, const std::vector<TopicFacts>& topics, bool color)
    : keyring(read_keyring(config.keyring_file)),
      options(ingest_options(config, topics)),
      metrics(metrics_options(config, options)),
      log(log_options(config.log, metrics), stderr_sink(color && config.log.format != "json")),
      probe(log, metrics),
      source(kafka_options(config.kafka), options.lanes, probe),
      ingester(options, keyring, source, ledger_factory(config), probe) {
  count_topics(metrics, topics);
}

void Assembly::reload(const Config& config) {
  log.set_level(log_level(config.log.level));
  ingester.take_batch_limits(config.ingest);
  metrics.set_buffer_limit(options.lanes * config.ingest.batch_bytes);
}

}  // namespace sealstream
