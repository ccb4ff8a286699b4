// Publishes the records that commands of ours publish: administrators' events, a few at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/handle.h"
#include "kafka/options.h"

namespace sealstream {

struct OutgoingRecord {
  std::string topic;
  std::string key;  ///< the tenant; decides the partition as Java's default partitioner does
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Where a record stands in the log.
struct PublishedRecord {
  PartitionId id;
  Offset offset;
};

/// One idempotent producer. Used by one thread.
class Publisher {
 public:
  /// `timeout` is how long the brokers may take for one record. Throws SourceError with the property that is
  /// wrong; asks no broker yet.
  Publisher(const KafkaOptions& options, milliseconds timeout);
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Returns once all in-sync replicas have the record. Throws SourceError where the brokers refuse it or do
  /// not acknowledge it in time; the sentence says whether it may have been written all the same.
  PublishedRecord publish(const OutgoingRecord& record);

 private:
  struct Report {
    int error;   ///< rd_kafka_resp_err_t
    int status;  ///< rd_kafka_msg_status_t
    PublishedRecord place;
  };

  static void delivered(rd_kafka_s* client, const rd_kafka_message_s* message, void* opaque);
  void send(const OutgoingRecord& record);
  void wait_for_report();

  const milliseconds timeout_;
  std::optional<Report> report_;  ///< of the record under way
  Client client_;                 ///< last: it goes before what its callback writes to
};

}  // namespace sealstream
