#include "app/config_keys.h"

#include <cctype>

namespace sealstream {
namespace {

constexpr std::int64_t kMiB = 1'048'576;

constexpr ConfigKey kKeys[] = {
    {.path = "kafka.brokers",
     .type = KeyType::text,
     .default_value = "127.0.0.1:9092",
     .required = true,
     .help = "Brokers to ask first, host:port, separated by commas."},
    {.path = "kafka.topics",
     .type = KeyType::texts,
     .default_value = "[audit.events.v1]",
     .help = "Topics to read. Several need equal partition counts and one partitioner: a tenant's partitions "
             "then "
             "share a lane."},
    {.path = "kafka.group_id",
     .type = KeyType::text,
     .default_value = "sealstream",
     .help =
         "Consumer group that shares the partitions among instances. Positions are kept in PostgreSQL, not "
         "in the group."},
    {.path = "kafka.group_instance_id",
     .type = KeyType::text,
     .default_value = "",
     .help =
         "Static membership, a name of its own for each instance: a restart moves no partition, but an "
         "instance that is gone leaves its partitions unread for the session timeout (10 s). Empty: off."},
    {.path = "kafka.new_partitions_start",
     .type = KeyType::choice,
     .default_value = "beginning",
     .choices = {"beginning", "end"},
     .help =
         "Where a partition that was never seen before is read from. At the end, what is in it already is "
         "never sealed."},
    {.path = "kafka.accept_create_time",
     .type = KeyType::boolean,
     .default_value = "false",
     .help = "Accept records that carry their producer's time in place of LogAppendTime. One bad clock then "
             "pins a "
             "tenant's recorded_at years ahead. Off: such a partition halts with an alarm."},
    {.path = "kafka.allow_plaintext",
     .type = KeyType::boolean,
     .default_value = "false",
     .help = "Accept brokers beyond this machine without TLS, or without checking who they are."},
    {.path = "kafka.properties",
     .type = KeyType::mapping,
     .default_value = "{}",
     .help = "Any librdkafka property, for example security.protocol: sasl_ssl. Those that would break "
             "delivery are "
             "refused by name; those that hold a secret belong in property_files."},
    {.path = "kafka.property_files",
     .type = KeyType::mapping,
     .default_value = "{}",
     .help =
         "Properties whose values are read from files, for example sasl.password: /etc/sealstream/kafka. The "
         "files must be readable by their owner alone."},

    {.path = "postgres.host",
     .type = KeyType::text,
     .default_value = "127.0.0.1",
     .required = true,
     .help = "Host of the server, or the directory of its Unix socket. Several, separated by commas, are a "
             "primary and its "
             "standbys on the same port: the one that takes writes is used, also after a failover."},
    {.path = "postgres.port",
     .type = KeyType::integer,
     .default_value = "5432",
     .min = 1,
     .max = 65535,
     .help = "Port of the server."},
    {.path = "postgres.database",
     .type = KeyType::text,
     .default_value = "sealstream",
     .required = true,
     .help = "Database with the schema audit."},
    {.path = "postgres.sslmode",
     .type = KeyType::choice,
     .default_value = "verify-full",
     .choices = {"verify-full", "verify-ca", "require", "disable"},
     .help = "As in libpq. Anything but verify-full works only on this machine, unless allow_plaintext."},
    {.path = "postgres.tls_ca_file",
     .type = KeyType::file,
     .default_value = "/etc/ssl/certs/ca-certificates.crt",
     .help = "Certificates of the authorities that the server's certificate is checked with."},
    {.path = "postgres.tls_certificate_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "Certificate that shows the server who we are. Empty: none."},
    {.path = "postgres.tls_key_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "Private key of that certificate."},
    {.path = "postgres.allow_plaintext",
     .type = KeyType::boolean,
     .default_value = "false",
     .help = "Accept a server beyond this machine without verify-full."},
    {.path = "postgres.connect_timeout_ms",
     .type = KeyType::integer,
     .default_value = "5000",
     .min = 100,
     .max = 60'000,
     .help = "How long opening a connection may take, in milliseconds."},
    {.path = "postgres.writer.user",
     .type = KeyType::text,
     .default_value = "audit_writer",
     .help = "Role of run and check-config."},
    {.path = "postgres.writer.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},
    {.path = "postgres.auditor.user",
     .type = KeyType::text,
     .default_value = "audit_auditor",
     .help = "Role of verify and status."},
    {.path = "postgres.auditor.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},
    {.path = "postgres.operator.user",
     .type = KeyType::text,
     .default_value = "audit_operator",
     .help = "Role of quarantine."},
    {.path = "postgres.operator.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},
    {.path = "postgres.eraser.user",
     .type = KeyType::text,
     .default_value = "audit_eraser",
     .help = "Role of erase."},
    {.path = "postgres.eraser.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},
    {.path = "postgres.rebuilder.user",
     .type = KeyType::text,
     .default_value = "audit_rebuilder",
     .help = "Role of rebuild."},
    {.path = "postgres.rebuilder.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},
    {.path = "postgres.migrator.user",
     .type = KeyType::text,
     .default_value = "audit_migrator",
     .help = "Role of migrate."},
    {.path = "postgres.migrator.password_file",
     .type = KeyType::file,
     .default_value = "",
     .help = "File with its password, readable by its owner alone. Empty: the server asks for none."},

    {.path = "keyring_file",
     .type = KeyType::file,
     .default_value = "/etc/sealstream/keyring.yaml",
     .required = true,
     .help = "Keys of the personal-data commitments, a YAML file of mode 0600: keys: [{id: 2026q4, from: "
             "2026-10-01T00:00:00Z, key: 64 hex digits}]."},

    {.path = "ingest.lanes",
     .type = KeyType::auto_count,
     .default_value = "auto",
     .min = 1,
     .max = 256,
     .help =
         "Workers, each with a database connection. Partitions are spread over them by how much there is to "
         "read. auto: the smaller of the partitions and twice the cores."},
    {.path = "ingest.batch_rows",
     .type = KeyType::integer,
     .default_value = "5000",
     .min = 1,
     .max = 1'000'000,
     .help = "Records in a batch (one transaction) at most, where there is no backlog."},
    {.path = "ingest.batch_rows_backlog",
     .type = KeyType::integer,
     .default_value = "8000",
     .min = 1,
     .max = 1'000'000,
     .help = "Records in a batch at most while there is a backlog. Not less than batch_rows."},
    {.path = "ingest.batch_bytes",
     .type = KeyType::integer,
     .default_value = "3145728",
     .min = 65'536,
     .max = 1024 * kMiB,
     .help = "Bytes of keys, values and headers in a batch at most. Bounds the memory of a lane."},
    {.path = "ingest.linger_ms",
     .type = KeyType::integer,
     .default_value = "10",
     .min = 0,
     .max = 60'000,
     .help = "How long a batch waits for more records after its first, in milliseconds. One of a lane that "
             "was at rest for as long does not wait."},
    {.path = "ingest.backoff_last_ms",
     .type = KeyType::integer,
     .default_value = "2000",
     .min = 50,
     .max = 60'000,
     .help = "Longest pause between tries against a database that is away, in milliseconds."},
    {.path = "ingest.drain_deadline_ms",
     .type = KeyType::integer,
     .default_value = "30000",
     .min = 1'000,
     .max = 600'000,
     .help = "Longest shutdown, in milliseconds. What is not committed by then is read again by another "
             "instance."},
    {.path = "ingest.leaves_ahead_months",
     .type = KeyType::integer,
     .default_value = "2",
     .min = 0,
     .max = 24,
     .help = "Monthly leaves of the ledger that are made ahead of time."},
    {.path = "ingest.owner",
     .type = KeyType::text,
     .default_value = "",
     .help = "Name of this instance in audit.partitions. Empty: host name and process id."},

    {.path = "http.listen",
     .type = KeyType::endpoint,
     .default_value = "127.0.0.1:9464",
     .help =
         "Where /livez, /readyz, /metrics and /v1/ are served, without TLS or login: bind it to an address "
         "that only your monitoring reaches. Port 0 takes any free port, which the log names."},

    {.path = "log.level",
     .type = KeyType::choice,
     .default_value = "info",
     .choices = {"debug", "info", "warning", "error"},
     .help = "Least level that is logged."},
    {.path = "log.format",
     .type = KeyType::choice,
     .default_value = "auto",
     .choices = {"auto", "json", "human"},
     .help = "One JSON object a line, or a form for people. auto: human on a terminal, else json."},
};

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

const ConfigKey* find_key(std::string_view path) {
  for (const ConfigKey& key : kKeys) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

std::string allowed_values(const ConfigKey& key) {
  switch (key.type) {
    case KeyType::text:
      return "a text";
    case KeyType::file:
      return "the path of a file";
    case KeyType::integer:
      return std::to_string(key.min) + " to " + std::to_string(key.max);
    case KeyType::auto_count:
      return "auto, or " + std::to_string(key.min) + " to " + std::to_string(key.max);
    case KeyType::boolean:
      return "true or false";
    case KeyType::endpoint:
      return "address:port, for example 127.0.0.1:9464 or \"[::1]:9464\"";
    case KeyType::texts:
      return "a list of texts, not empty";
    case KeyType::mapping:
      return "names and their values";
    case KeyType::choice:
      break;
  }
  std::string list = "one of: ";
  for (std::string_view choice : key.choices) {
    if (choice.empty()) break;
    if (list.back() != ' ') list += ", ";
    list += choice;
  }
  return list;
}

std::string environment_name(std::string_view path) {
  std::string name(kEnvironmentPrefix);
  for (char c : path) {
    if (c == '.') {
      name += "__";
    } else {
      name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return name;
}

}  // namespace sealstream
