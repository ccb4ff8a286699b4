// The configuration, typed and checked: what all commands start from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/endpoint.h"
#include "app/settings.h"
#include "sealstream/ingest/options.h"

namespace sealstream {

struct KafkaConfig {
  std::string brokers;
  std::vector<std::string> topics;
  std::string group_id;
  std::string group_instance_id;  ///< empty: dynamic membership
  std::map<std::string, std::string> properties;
  std::map<std::string, std::string> property_files;  ///< property to the file that holds its value
};

struct RoleConfig {
  std::string user;
  std::string password_file;  ///< empty: no password is offered
};

struct PostgresConfig {
  std::string host;
  std::uint16_t port = 0;
  std::string database;
  std::string sslmode;
  std::string tls_ca_file;
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::chrono::milliseconds connect_timeout{0};
  RoleConfig writer;
  RoleConfig auditor;
  RoleConfig operator_;
  RoleConfig eraser;
  RoleConfig rebuilder;
  RoleConfig migrator;
};

struct LogConfig {
  std::string level;
  std::string format;
};

struct Config {
  KafkaConfig kafka;
  PostgresConfig postgres;
  std::string keyring_file;
  bool lanes_auto = true;  ///< else ingest.lanes says how many
  IngestOptions ingest;
  Endpoint http;
  LogConfig log;
  Settings settings;  ///< as given, for print-config
};

/// Reads and checks `file` and the environment. Opens no other file, asks no server. Throws ConfigError with
/// everything that is wrong.
Config load_config(const std::string& file, const Environment& environment);

/// As load_config, of a text. For tests, and for defaults.
Config make_config(const std::string& file, const std::string& yaml, const Environment& environment);

/// The file to read where none was named: ./sealstream.yaml where it exists, else
/// /etc/sealstream/sealstream.yaml.
std::string default_config_file();

/// kafka.properties together with those whose values lie in files. Throws ConfigError where such a file
/// cannot be used. The result holds secrets: never log or print it.
std::map<std::string, std::string> kafka_properties(const KafkaConfig& kafka);

}  // namespace sealstream
