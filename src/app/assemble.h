// The one place where adapters meet ports.
#pragma once

#include "app/config.h"
#include "app/log.h"
#include "app/logging_probe.h"
#include "kafka/consumer.h"
#include "kafka/topic_facts.h"
#include "metrics/metrics.h"
#include "sealstream/core/keyring.h"
#include "sealstream/ingest/ingester.h"

namespace sealstream {

/// Everything that `run` is made of, in the order in which it is built; each part borrows from those before
/// it. `topics`: what the cluster says of them, or nothing where it does not answer. Throws ConfigError where
/// the keyring or a password file cannot be used, and SourceError where Kafka's properties are wrong.
struct Assembly {
  Assembly(const Config& config, const std::vector<TopicFacts>& topics, bool color);
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  /// Puts in force what a running process can take from a configuration: kReloaded. Main thread only.
  void reload(const Config& config);

  Keyring keyring;
  IngestOptions options;
  Metrics metrics;
  Log log;
  LoggingProbe probe;
  Consumer source;
  Ingester ingester;
};

}  // namespace sealstream
