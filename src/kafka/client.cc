#include "kafka/client.h"

#include <librdkafka/rdkafka.h>
#include <syslog.h>

#include <array>
#include <string_view>

#include "ingest/sabotage.h"

namespace sealstream {
namespace {

void set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> error{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) != RD_KAFKA_CONF_OK) {
    throw SourceError("kafka.properties: " + name + ": " + error.data());
  }
}

void set(rd_kafka_conf_t* conf, const std::string& name, milliseconds value) {
  set(conf, name, std::to_string(value.count()));
}

void set(rd_kafka_conf_t* conf, const std::string& name, std::size_t value) {
  set(conf, name, std::to_string(value));
}

/// What an operator may override.
void set_tuning(rd_kafka_conf_t* conf, const KafkaOptions& options) {
  set(conf, "client.id", "sealstream");
  set(conf, "queued.max.messages.kbytes",
      options.queue_bytes_per_lane / 1000);  // librdkafka's are 1000 bytes
  set(conf, "queued.min.messages", options.queue_records_per_lane);
  set(conf, "fetch.message.max.bytes", options.fetch_bytes_per_partition);
  set(conf, "fetch.max.bytes", options.fetch_bytes);
  set(conf, "fetch.wait.max.ms", options.fetch_wait);
  set(conf, "fetch.error.backoff.ms", "100");
  set(conf, "reconnect.backoff.max.ms", "2000");             // a broker that came back is found soon
  set(conf, "socket.timeout.ms", "8000");                    // one that hangs is given up before the group
  set(conf, "api.version.request.timeout.ms", "3000");       // ... and not waited for when called anew
  set(conf, "topic.metadata.refresh.interval.ms", "10000");  // added partitions are found soon
  set(conf, "socket.keepalive.enable", "true");
  set(conf, "log.connection.close", "false");
}

/// How a log is read.
void set_reading(rd_kafka_conf_t* conf) {
  set(conf, "auto.offset.reset", mutant("auto_reset") ? "earliest" : "error");
  set(conf, "isolation.level", mutant("uncommitted_read") ? "read_uncommitted" : "read_committed");
  set(conf, "check.crcs", "true");
  set(conf, "enable.partition.eof", "true");
  set(conf, "allow.auto.create.topics", "false");
}

/// What delivery rests on.
void set_promises(rd_kafka_conf_t* conf, const KafkaOptions& options) {
  set(conf, "group.id", options.group_id);
  if (!options.group_instance_id.empty()) {
    set(conf, "group.instance.id", options.group_instance_id);
  }
  set(conf, "session.timeout.ms", options.session_timeout);
  set(conf, "heartbeat.interval.ms", options.heartbeat_interval);
  set(conf, "partition.assignment.strategy", "range");
  set(conf, "enable.auto.commit", "false");
  set(conf, "enable.auto.offset.store", "false");
  set_reading(conf);
}

ClientCallbacks& callbacks_of(const rd_kafka_t* client) {
  return *static_cast<ClientCallbacks*>(rd_kafka_opaque(client));
}

void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                  void*) {
  callbacks_of(client).rebalanced(error, partitions);
}

void on_error(rd_kafka_t* client, int error, const char* reason, void*) {
  callbacks_of(client).failed(rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(error)), reason);
}

/// Of what librdkafka logs, errors of connections come to on_error too.
void on_log(const rd_kafka_t* client, int level, const char* facility, const char* line) {
  const std::string_view name = facility;
  if (client != nullptr && level <= LOG_WARNING && name != "FAIL" && name != "ERROR") {
    callbacks_of(client).failed(facility, line);
  }
}

void drop_log(const rd_kafka_t*, int, const char*, const char*) {}

Client make(rd_kafka_type_t type, ClientConf conf) {
  std::array<char, 512> error{};
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), error.data(), error.size());
  if (client == nullptr) {
    throw SourceError(std::string("Kafka: ") + error.data());
  }
  static_cast<void>(conf.release());  // the client's now
  return Client(client);
}

ClientConf base_conf(const KafkaOptions& options) {
  ClientConf conf(rd_kafka_conf_new());
  set_tuning(conf.get(), options);
  for (const auto& [name, value] : options.properties) {
    if (const std::optional<std::string> problem = property_problem(name, value)) {
      throw SourceError("kafka.properties: " + name + ": " + *problem);
    }
    set(conf.get(), name, value);
  }
  set(conf.get(), "bootstrap.servers", options.brokers);
  return conf;
}

}  // namespace

Client make_member(const KafkaOptions& options, ClientCallbacks& callbacks) {
  ClientConf conf = base_conf(options);
  set_promises(conf.get(), options);
  rd_kafka_conf_set_opaque(conf.get(), &callbacks);
  rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  Client client = make(RD_KAFKA_CONSUMER, std::move(conf));
  const rd_kafka_resp_err_t error = rd_kafka_poll_set_consumer(client.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw SourceError(std::string("Kafka: ") + rd_kafka_err2str(error));
  }
  return client;
}

Client make_producer(const KafkaOptions& options, milliseconds timeout, Delivered delivered, void* opaque) {
  ClientConf conf = base_conf(options);
  set(conf.get(), "acks", "all");
  set(conf.get(), "enable.idempotence", "true");
  set(conf.get(), "partitioner", "murmur2_random");
  set(conf.get(), "message.timeout.ms", timeout);
  set(conf.get(), "linger.ms", "0");
  set(conf.get(), "allow.auto.create.topics", "false");
  set(conf.get(), "topic.metadata.propagation.max.ms", "5000");  // a topic that is not there is named soon
  rd_kafka_conf_set_opaque(conf.get(), opaque);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), delivered);
  rd_kafka_conf_set_log_cb(conf.get(), drop_log);
  return make(RD_KAFKA_PRODUCER, std::move(conf));
}

Client make_asker(const KafkaOptions& options) {
  ClientConf conf = base_conf(options);
  set_reading(conf.get());
  set(conf.get(), "fetch.wait.max.ms", "10");  // a log's end is told soon
  rd_kafka_conf_set_log_cb(conf.get(), drop_log);
  return make(RD_KAFKA_CONSUMER, std::move(conf));
}

}  // namespace sealstream
