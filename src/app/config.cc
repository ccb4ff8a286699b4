#include "app/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "app/secret_file.h"
#include "kafka/options.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

bool flag(const Settings& settings, std::string_view path) { return settings.at(path).text == "true"; }

std::int64_t number(const Settings& settings, std::string_view path) {
  const std::string& text = settings.at(path).text;
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::chrono::milliseconds duration(const Settings& settings, std::string_view path) {
  return std::chrono::milliseconds(number(settings, path));
}

std::size_t count(const Settings& settings, std::string_view path) {
  return static_cast<std::size_t>(number(settings, path));
}

std::string host_and_process() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return "sealstream:" + std::to_string(::getpid());
  return std::string(host.data()) + ":" + std::to_string(::getpid());
}

RoleConfig role(const Settings& settings, const std::string& name) {
  return {settings.at("postgres." + name + ".user").text,
          settings.at("postgres." + name + ".password_file").text};
}

PostgresConfig postgres_config(const Settings& settings) {
  PostgresConfig postgres;
  postgres.host = settings.at("postgres.host").text;
  postgres.port = static_cast<std::uint16_t>(number(settings, "postgres.port"));
  postgres.database = settings.at("postgres.database").text;
  postgres.sslmode = settings.at("postgres.sslmode").text;
  postgres.tls_ca_file = settings.at("postgres.tls_ca_file").text;
  postgres.tls_certificate_file = settings.at("postgres.tls_certificate_file").text;
  postgres.tls_key_file = settings.at("postgres.tls_key_file").text;
  postgres.connect_timeout = duration(settings, "postgres.connect_timeout_ms");
  postgres.writer = role(settings, "writer");
  postgres.auditor = role(settings, "auditor");
  postgres.operator_ = role(settings, "operator");
  postgres.eraser = role(settings, "eraser");
  postgres.rebuilder = role(settings, "rebuilder");
  postgres.migrator = role(settings, "migrator");
  return postgres;
}

KafkaConfig kafka_config(const Settings& settings) {
  return {.brokers = settings.at("kafka.brokers").text,
          .topics = settings.at("kafka.topics").items,
          .group_id = settings.at("kafka.group_id").text,
          .group_instance_id = settings.at("kafka.group_instance_id").text,
          .properties = settings.at("kafka.properties").entries,
          .property_files = settings.at("kafka.property_files").entries};
}

IngestOptions ingest_options(const Settings& settings) {
  IngestOptions ingest;
  if (settings.at("ingest.lanes").text != "auto") ingest.lanes = count(settings, "ingest.lanes");
  ingest.batch_rows = count(settings, "ingest.batch_rows");
  ingest.batch_rows_backlog = count(settings, "ingest.batch_rows_backlog");
  ingest.batch_bytes = count(settings, "ingest.batch_bytes");
  ingest.linger = duration(settings, "ingest.linger_ms");
  ingest.backoff_last = duration(settings, "ingest.backoff_last_ms");
  ingest.drain_deadline = duration(settings, "ingest.drain_deadline_ms");
  ingest.leaves_ahead = static_cast<int>(number(settings, "ingest.leaves_ahead_months"));
  ingest.accept_create_time = flag(settings, "kafka.accept_create_time");
  ingest.start_new_partitions_at_end = settings.at("kafka.new_partitions_start").text == "end";
  const std::string& owner = settings.at("ingest.owner").text;
  ingest.owner = owner.empty() ? without_secrets(host_and_process()) : owner;
  return ingest;
}

/// What keys mean together. Collects findings.
class Checks {
 public:
  explicit Checks(const Config& config) : config_(config) {}

  std::vector<std::string> findings() && {
    check_names();
    check_brokers();
    check_properties();
    check_property_files();
    check_postgres();
    if (config_.ingest.batch_rows_backlog < config_.ingest.batch_rows) {
      complain("ingest.batch_rows_backlog", "must not be less than ingest.batch_rows, which is " +
                                                std::to_string(config_.ingest.batch_rows));
    }
    return std::move(findings_);
  }

 private:
  void complain(std::string_view path, const std::string& sentence) { complain(path, path, sentence); }
  void complain(std::string_view origin, std::string_view path, const std::string& sentence) {
    Origin where = config_.settings.at(origin).origin;
    findings_.push_back(where.text() + ": " + std::string(path) + ": " + sentence);
  }

  /// Names of ours are told to other systems, which log them, and stand in our tables.
  void check_names() {
    for (const ConfigKey& key : config_keys()) {
      const Setting& setting = config_.settings.at(key.path);
      const bool ours = key.path != "kafka.brokers" && key.path != "postgres.host";
      const bool name = key.type == KeyType::text || key.type == KeyType::texts;
      if (ours && name && (holds_secret(setting.text) || std::ranges::any_of(setting.items, holds_secret)))
        complain(key.path, "holds a secret; secrets come only from files");
    }
  }

  /// One of a list, as a finding may name it: what was cut out of a URL with a password has its shape no
  /// more.
  static std::string quoted(const std::string& item, const std::string& list) {
    return list.find('@') != list.npos || holds_secret(list) ? "one of them" : "\"" + item + "\"";
  }

  void check_brokers() {
    std::istringstream list(config_.kafka.brokers);
    std::vector<std::string> remote;
    for (std::string broker; std::getline(list, broker, ',');) {
      broker.erase(0, broker.find_first_not_of(' '));
      const auto endpoint = parse_endpoint(broker);
      if (!endpoint || endpoint->port == 0) {
        complain("kafka.brokers", quoted(broker, config_.kafka.brokers) +
                                      " is no broker; allowed: host:port, separated by commas");
      } else if (!is_loopback(endpoint->host)) {
        remote.push_back(endpoint->host);
      }
    }
    const std::string weakness = plaintext_weakness();
    if (remote.empty() || weakness.empty() || flag(config_.settings, "kafka.allow_plaintext")) return;
    complain("kafka.brokers", quoted(remote.front(), config_.kafka.brokers) + " is not this machine, and " +
                                  weakness +
                                  "; set kafka.properties security.protocol to ssl or sasl_ssl, or "
                                  "kafka.allow_plaintext to true");
  }

  /// What keeps the connection to Kafka from being private and its brokers from being known; "" where
  /// nothing.
  std::string plaintext_weakness() const {
    const auto value = [&](const char* name, const char* otherwise) {
      const auto found = config_.kafka.properties.find(name);
      std::string text = found == config_.kafka.properties.end() ? otherwise : found->second;
      std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
      return text;
    };
    const std::string protocol = value("security.protocol", "plaintext");
    if (protocol != "ssl" && protocol != "sasl_ssl") return "security.protocol is " + protocol;
    if (value("enable.ssl.certificate.verification", "true") != "true")
      return "certificates are not verified";
    if (value("ssl.endpoint.identification.algorithm", "https") != "https")
      return "host names are not verified";
    return "";
  }

  static bool is_secret(std::string_view property) {
    static constexpr std::string_view kParts[] = {"password", "secret", "key.pem", "oauthbearer.config"};
    return std::ranges::any_of(
        kParts, [&](std::string_view part) { return property.find(part) != std::string_view::npos; });
  }

  void check_properties() {
    for (const auto& [name, value] : config_.kafka.properties) {
      const std::string path = "kafka.properties." + name;
      if (is_secret(name) || holds_secret(value)) {
        complain("kafka.properties", path,
                 "holds a secret: put it into a file and name that under kafka.property_files");
      } else if (const auto problem = property_problem(name, value)) {
        complain("kafka.properties", path, *problem);
      }
    }
  }

  void check_property_files() {
    const std::vector<std::string>& refused = refused_properties();
    for (const auto& [name, file] : config_.kafka.property_files) {
      const std::string path = "kafka.property_files." + name;
      if (std::ranges::find(refused, name) != refused.end()) {
        complain("kafka.property_files", path, "cannot be passed on: sealstream sets it by itself");
      } else if (config_.kafka.properties.contains(name)) {
        complain("kafka.property_files", path, "is given under kafka.properties too");
      }
    }
  }

  void check_postgres() {
    std::istringstream list(config_.postgres.host);
    for (std::string host; std::getline(list, host, ',');) {
      if (host.empty() || host.starts_with(' ')) {
        complain("postgres.host", quoted(host, config_.postgres.host) +
                                      " is no host; allowed: hosts separated by commas, without blanks");
      } else if (!is_loopback(host) && config_.postgres.sslmode != "verify-full" &&
                 !flag(config_.settings, "postgres.allow_plaintext")) {
        complain("postgres.sslmode", "\"" + config_.postgres.sslmode + "\" works only on this machine, and " +
                                         quoted(host, config_.postgres.host) +
                                         " is not; allowed: verify-full, or postgres.allow_plaintext: true");
      }
    }
    if (config_.postgres.tls_certificate_file.empty() != config_.postgres.tls_key_file.empty()) {
      complain("postgres.tls_certificate_file",
               "and postgres.tls_key_file belong together: give both or none");
    }
  }

  const Config& config_;
  std::vector<std::string> findings_;
};

std::string property_in_file(const std::string& name, const std::string& file) {
  std::string value = read_secret_line(file, "the value of " + name);
  if (property_problem(name, value)) throw ConfigError(file + ": librdkafka does not take it for " + name);
  return value;
}

}  // namespace

Config make_config(const std::string& file, const std::string& yaml, const Environment& environment) {
  Config config;
  config.settings = read_settings(file, yaml, environment);
  config.kafka = kafka_config(config.settings);
  config.postgres = postgres_config(config.settings);
  config.keyring_file = config.settings.at("keyring_file").text;
  config.lanes_auto = config.settings.at("ingest.lanes").text == "auto";
  config.ingest = ingest_options(config.settings);
  config.http = *parse_endpoint(config.settings.at("http.listen").text);
  config.log = {config.settings.at("log.level").text, config.settings.at("log.format").text};
  for (auto& [name, path] : config.kafka.property_files) {
    path = (std::filesystem::absolute(file).parent_path() / path).string();
  }
  std::vector<std::string> findings = Checks(config).findings();
  if (!findings.empty()) throw ConfigError(std::move(findings));
  return config;
}

Config load_config(const std::string& file, const Environment& environment) {
  return make_config(file, read_config_file(file), environment);
}

std::string default_config_file() {
  const std::string here = "sealstream.yaml";
  return std::filesystem::exists(here) ? here : "/etc/sealstream/sealstream.yaml";
}

std::map<std::string, std::string> kafka_properties(const KafkaConfig& kafka) {
  std::map<std::string, std::string> properties = kafka.properties;
  for (const auto& [name, file] : kafka.property_files) properties[name] = property_in_file(name, file);
  return properties;
}

}  // namespace sealstream
