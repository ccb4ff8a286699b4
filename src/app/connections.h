// From the configuration to what the adapters are opened with.
#pragma once

#include "app/config.h"
#include "kafka/options.h"
#include "postgres/connection.h"
#include "postgres/connection_options.h"

namespace sealstream {

/// Reads every file that `run` needs, before anyone is asked for anything. Throws ConfigError where one
/// cannot be used.
void check_secret_files(const Config& config);

/// How to reach PostgreSQL as `role`. Throws ConfigError where its password file cannot be used.
ConnectionOptions connection_options(const PostgresConfig& postgres, const RoleConfig& role);

/// The same, but with no end to how long an answer may take: keep-alives find a server that went away, and
/// one that is busy is waited for.
ConnectionOptions patient(ConnectionOptions options);

/// A connection, not open yet, of the role for people who mend things. Throws as connection_options().
Connection as_operator(const Config& config);

/// How to read Kafka. Holds the secrets of property_files. Throws ConfigError where one cannot be used.
KafkaOptions kafka_options(const KafkaConfig& kafka);

}  // namespace sealstream
