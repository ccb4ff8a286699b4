#include "kafka/publisher.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>

#include "kafka/client.h"
#include "sealstream/ingest/source.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

/// How long the report of a record whose time is over may take.
constexpr milliseconds kReportGrace{5'000};
constexpr int kPoll_ms = 100;

struct ReleaseHeaders {
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
};
using Headers = std::unique_ptr<rd_kafka_headers_t, ReleaseHeaders>;

Headers headers_of(const OutgoingRecord& record) {
  Headers headers(rd_kafka_headers_new(record.headers.size()));
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  return headers;
}

rd_kafka_vu_t bytes_field(rd_kafka_vtype_t type, const std::string& bytes) {
  rd_kafka_vu_t field;
  field.vtype = type;
  // librdkafka copies it (RD_KAFKA_MSG_F_COPY) and takes no pointer to const.
  field.u.mem = {const_cast<char*>(bytes.data()), bytes.size()};
  return field;
}

[[noreturn]] void fail(const std::string& topic, const std::string& reason) {
  throw SourceError("topic " + topic + ": the record was not published: " + reason);
}

}  // namespace

Publisher::Publisher(const KafkaOptions& options, milliseconds timeout)
    : timeout_(timeout), client_(make_producer(options, timeout, delivered, this)) {}

void Publisher::delivered(rd_kafka_s*, const rd_kafka_message_s* message, void* opaque) {
  static_cast<Publisher*>(opaque)->report_ = {
      message->err,
      rd_kafka_message_status(message),
      {{rd_kafka_topic_name(message->rkt), Partition(message->partition)}, Offset(message->offset)}};
}

PublishedRecord Publisher::publish(const OutgoingRecord& record) {
  report_.reset();
  send(record);
  wait_for_report();
  if (!report_) {
    throw SourceError("topic " + record.topic + ": the brokers did not acknowledge the record within " +
                      std::to_string(timeout_.count()) + " ms; it may have been written all the same");
  }
  if (report_->error == RD_KAFKA_RESP_ERR_NO_ERROR) return report_->place;
  const std::string reason = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(report_->error));
  if (report_->status == RD_KAFKA_MSG_STATUS_NOT_PERSISTED) fail(record.topic, reason);
  throw SourceError("topic " + record.topic +
                    ": the record may have been written, but was not acknowledged: " + reason);
}

void Publisher::send(const OutgoingRecord& record) {
  Headers headers = headers_of(record);
  std::array<rd_kafka_vu_t, 5> fields{};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = record.topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[1].u.i = RD_KAFKA_MSG_F_COPY;
  fields[2] = bytes_field(RD_KAFKA_VTYPE_KEY, record.key);
  fields[3] = bytes_field(RD_KAFKA_VTYPE_VALUE, record.value);
  fields[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[4].u.headers = headers.get();
  const KafkaError error(rd_kafka_produceva(client_.get(), fields.data(), fields.size()));
  if (error) fail(record.topic, rd_kafka_error_string(error.get()));
  static_cast<void>(headers.release());  // the record's now
}

/// Until the record under way is reported, or its time and a grace are over.
void Publisher::wait_for_report() {
  const Clock::time_point deadline = Clock::now() + timeout_ + kReportGrace;
  while (!report_ && Clock::now() < deadline) rd_kafka_poll(client_.get(), kPoll_ms);
}

}  // namespace sealstream
