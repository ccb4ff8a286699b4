// Goal: whatever a broker answers a request with, a member goes on by itself: no record is missing, and what
// comes again after a rejoin is dropped as a lane drops it. Method: librdkafka's mock cluster answers the
// next requests of one kind with errors, and tells how many of them are left.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <ostream>

#include "member.h"

namespace sealstream::test {
namespace {

constexpr int kPartitions = 4;
constexpr int kBroker = 1;

/// Kafka's protocol, API keys.
enum Api : std::int16_t {
  kFetch = 1,
  kListOffsets = 2,
  kOffsetCommit = 8,
  kFindCoordinator = 10,
  kJoinGroup = 11,
  kHeartbeat = 12,
  kSyncGroup = 14
};

/// These answers to the next requests of that kind. What is asked only by who joins a group is provoked by an
/// answer to a heartbeat.
struct Refusals {
  const char* name;
  Api api;
  std::vector<rd_kafka_resp_err_t> errors;
  rd_kafka_resp_err_t heartbeat = RD_KAFKA_RESP_ERR_NO_ERROR;
  friend std::ostream& operator<<(std::ostream& out, const Refusals& refusals) {
    return out << refusals.name;
  }
};

/// Belongs to a client that does nothing else.
class MockCluster {
 public:
  explicit MockCluster(const std::string& topic) {
    rd_kafka_mock_topic_create(cluster(), topic.c_str(), kPartitions, 1);
  }

  std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster()); }

  void refuse(Api api, const std::vector<rd_kafka_resp_err_t>& errors) {
    for (const rd_kafka_resp_err_t error : errors) {
      rd_kafka_mock_broker_push_request_error_rtts(cluster(), kBroker, api, 1, error, 0);
    }
  }

  bool has_refused_all(Api api) const {
    std::size_t left = 1;
    rd_kafka_mock_broker_error_stack_cnt(cluster(), kBroker, api, &left);
    return left == 0;
  }

 private:
  static rd_kafka_conf_t* one_broker() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", nullptr, 0);
    return conf;
  }

  rd_kafka_mock_cluster_t* cluster() const { return rd_kafka_handle_mock_cluster(client_.get()); }

  Client client_{rd_kafka_new(RD_KAFKA_PRODUCER, one_broker(), nullptr, 0)};
};

class ConsumerRefusals : public testing::TestWithParam<Refusals> {
 protected:
  PartitionId id(int partition) const { return {topic_, Partition(partition)}; }

  void send(int count, int first) {
    for (int partition = 0; partition < kPartitions; ++partition) {
      producer_.send_numbers(id(partition), count, first);
    }
    producer_.flush();
  }

  bool taken_up_to(std::int64_t next) const {
    for (int partition = 0; partition < kPartitions; ++partition) {
      if (taken_.next(id(partition)) != Offset(next)) return false;
    }
    return true;
  }

  /// As a lane does after each commit.
  void mirror() {
    for (std::size_t lane = 0; lane < 2; ++lane) {
      const std::pair<PartitionId, Offset> next{id(static_cast<int>(lane)), Offset(1)};
      member_.on_lane(lane, [&](RecordStream& stream) { stream.mirror({&next, 1}); });
    }
  }

  const std::string topic_ = fresh_name("refusals");
  MockCluster cluster_{topic_};
  Producer producer_{cluster_.address()};
  Taken taken_;
  Member member_{options_for({topic_}, cluster_.address()), 2, taken_};
};

TEST_P(ConsumerRefusals, NoRecordIsMissing) {
  const Refusals& refusals = GetParam();
  send(20, 0);
  member_.start();
  ASSERT_TRUE(eventually([&] { return taken_up_to(20); }));

  cluster_.refuse(refusals.api, refusals.errors);
  if (refusals.heartbeat != RD_KAFKA_RESP_ERR_NO_ERROR) cluster_.refuse(kHeartbeat, {refusals.heartbeat});
  send(20, 20);
  EXPECT_TRUE(eventually([&] {
    if (refusals.api == kOffsetCommit) mirror();
    return cluster_.has_refused_all(refusals.api);
  }));
  send(20, 40);
  EXPECT_TRUE(eventually([&] { return taken_up_to(60); }));

  member_.stop();
  EXPECT_FALSE(member_.thrown);
  std::vector<std::string> numbers;
  for (int number = 0; number < 60; ++number) numbers.push_back(std::to_string(number));
  for (int partition = 0; partition < kPartitions; ++partition) {
    EXPECT_EQ(taken_.of(id(partition)).values, numbers);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kafka, ConsumerRefusals,
    testing::Values(
        Refusals{"fetch_leader",
                 kFetch,
                 {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                  RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH}},
        Refusals{"fetch_topic",
                 kFetch,
                 {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
                  RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE}},
        Refusals{"fetch_broker",
                 kFetch,
                 {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                  RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR__TRANSPORT}},
        Refusals{"list_offsets",
                 kListOffsets,
                 {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART}},
        Refusals{"offset_commit",
                 kOffsetCommit,
                 {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                  RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION}},
        Refusals{"find_coordinator",
                 kFindCoordinator,
                 {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT},
                 RD_KAFKA_RESP_ERR_NOT_COORDINATOR},
        Refusals{"join_group",
                 kJoinGroup,
                 {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                  RD_KAFKA_RESP_ERR_NOT_COORDINATOR},
                 RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID},
        Refusals{"sync_group",
                 kSyncGroup,
                 {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS},
                 RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
        Refusals{"heartbeat_coordinator",
                 kHeartbeat,
                 {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR__TRANSPORT}},
        Refusals{"heartbeat_group", kHeartbeat, {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS}},
        Refusals{"heartbeat_member", kHeartbeat, {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID}}),
    [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace sealstream::test
