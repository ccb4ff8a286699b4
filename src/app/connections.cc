#include "app/connections.h"

#include "app/keyring_file.h"
#include "app/secret_file.h"

namespace sealstream {

void check_secret_files(const Config& config) {
  (void)read_keyring(config.keyring_file);
  (void)connection_options(config.postgres, config.postgres.writer);
  (void)kafka_options(config.kafka);
}

ConnectionOptions connection_options(const PostgresConfig& postgres, const RoleConfig& role) {
  ConnectionOptions options;
  options.host = postgres.host;
  options.port = postgres.port;
  options.database = postgres.database;
  options.user = role.user;
  if (!role.password_file.empty()) (void)read_secret_line(role.password_file, "the password of " + role.user);
  options.password_file = role.password_file;
  options.sslmode = postgres.sslmode;
  if (postgres.sslmode.starts_with("verify-")) options.sslrootcert = postgres.tls_ca_file;
  options.sslcert = postgres.tls_certificate_file;
  options.sslkey = postgres.tls_key_file;
  options.connect_timeout = postgres.connect_timeout;
  return options;
}

ConnectionOptions patient(ConnectionOptions options) {
  options.answer_timeout = std::chrono::hours(24 * 365);
  return options;
}

Connection as_operator(const Config& config) {
  return {connection_options(config.postgres, config.postgres.operator_), [] {}};
}

KafkaOptions kafka_options(const KafkaConfig& kafka) {
  KafkaOptions options;
  options.brokers = kafka.brokers;
  options.topics = kafka.topics;
  options.group_id = kafka.group_id;
  options.group_instance_id = kafka.group_instance_id;
  options.properties = kafka_properties(kafka);
  return options;
}

}  // namespace sealstream
