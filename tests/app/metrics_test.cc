// Goal: every metric exists from the start with help and type, counts what the probe reports, and goes with
// its partition; promtool finds nothing to complain about. Method: the text format, as Prometheus scrapes it.
#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

#include "metrics/lag.h"
#include "metrics/metric_table.h"
#include "sealstream/core/secrets.h"
#include "temporary_directory.h"

namespace sealstream {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The value of one series as it stands in the text, or NaN where there is none.
double value_of(const std::string& text, const std::string& series) {
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? NAN : std::stod(text.substr(at + series.size() + 2));
}

class MetricsTest : public testing::Test {
 protected:
  double value(const std::string& series) { return value_of(metrics.text(), "sealstream_" + series); }

  Metrics metrics{{.topics = {"t"}, .version = "1.2.3", .buffer_limit_bytes = 64}};
  const PartitionId id{"t", Partition(3)};
};

TEST_F(MetricsTest, HasEveryMetricOfTheTableWithItsHelpAndType) {
  const std::string text = metrics.text();
  std::vector<MetricSpec> specs(metric_table().begin(), metric_table().end());
  specs.insert(specs.end(), process_metric_table().begin(), process_metric_table().end());
  for (const MetricSpec& spec : specs) {
    const bool of_a_partition = spec.labels[1] == "partition";
    if (of_a_partition) continue;  // their series come with an assignment
    const char* types[] = {"counter", "gauge", "histogram"};
    EXPECT_THAT(text, HasSubstr("# HELP " + std::string(spec.name) + " " + std::string(spec.help) + "\n"));
    EXPECT_THAT(text, HasSubstr("# TYPE " + std::string(spec.name) + " " +
                                types[static_cast<int>(spec.type)] + "\n"));
  }
}

TEST_F(MetricsTest, ExportsNothingThatIsNotInTheTable) {
  metrics.partition_assigned(id, Offset(0));
  metrics.extent(id, {Offset(0), Offset(9)});
  metrics.set_retention("t", 100);
  std::istringstream lines(metrics.text());
  int seen = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const std::string name = line.substr(7, line.rfind(' ') - 7);
    const auto has = [&](std::span<const MetricSpec> table) {
      return std::ranges::any_of(table, [&](const MetricSpec& spec) { return spec.name == name; });
    };
    EXPECT_TRUE(has(metric_table()) || has(process_metric_table())) << name;
    ++seen;
  }
  EXPECT_EQ(seen, static_cast<int>(metric_table().size() + process_metric_table().size()));
}

TEST_F(MetricsTest, HasEveryCounterAtZeroFromTheStart) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    const std::string reason(name(static_cast<Reason>(i)));
    EXPECT_EQ(value("records_quarantined_total{reason=\"" + reason + "\",topic=\"t\"}"), 0) << reason;
  }
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const std::string family(name(static_cast<Family>(i)));
    EXPECT_EQ(value("events_persisted_total{family=\"" + family + "\",topic=\"t\"}"), 0) << family;
  }
  for (const SecretRule& rule : secret_rules()) {
    EXPECT_EQ(value("secrets_redacted_total{rule=\"" + std::string(rule.name) + "\"}"), 0) << rule.name;
  }
  EXPECT_EQ(value("records_consumed_total{topic=\"t\"}"), 0);
  EXPECT_EQ(value("batches_total{flush_reason=\"linger\",result=\"committed\"}"), 0);
  EXPECT_EQ(value("batches_total{flush_reason=\"shutdown\",result=\"in_doubt\"}"), 0);
  EXPECT_EQ(value("missed_records_total{cause=\"retention_overrun\"}"), 0);
  EXPECT_EQ(value("halted_partitions{cause=\"create_time\"}"), 0);
  EXPECT_EQ(value("db_in_doubt_total{resolution=\"moved_on\"}"), 0);
  EXPECT_EQ(value("kafka_errors_total{code=\"_TRANSPORT\"}"), 0);
  EXPECT_EQ(value("db_errors_total{sqlstate_class=\"08\"}"), 0);
  EXPECT_EQ(value("rebalances_total{event=\"lost\"}"), 0);
  EXPECT_EQ(value("build_info{version=\"1.2.3\"}"), 1);
  EXPECT_EQ(value("buffer_limit_bytes"), 64);
}

TEST_F(MetricsTest, CountsACommittedBatch) {
  metrics.partition_assigned(id, Offset(10));
  BatchReport batch;
  batch.flush_reason = FlushReason::rows;
  batch.rows = 5;
  batch.bytes = 700;
  batch.topics["t"] = {.records = 6, .bytes = 700};
  batch.topics["t"].persisted[static_cast<std::size_t>(Family::auth)] = 4;
  batch.topics["t"].quarantined[static_cast<std::size_t>(Reason::too_deep)] = 1;
  batch.duplicates = 1;
  batch.redactions = {2};
  batch.latencies_seconds = {.05, .051, 1'000};
  batch.next_offsets = {{id, Offset(16)}};
  metrics.committed(batch);
  EXPECT_EQ(value("records_consumed_total{topic=\"t\"}"), 6);
  EXPECT_EQ(value("consumed_bytes_total"), 700);
  EXPECT_EQ(value("events_persisted_total{family=\"auth\",topic=\"t\"}"), 4);
  EXPECT_EQ(value("records_quarantined_total{reason=\"too_deep\",topic=\"t\"}"), 1);
  EXPECT_EQ(value("events_duplicate_total"), 1);
  EXPECT_EQ(value("chain_appends_total"), 5);
  EXPECT_EQ(value("secrets_redacted_total{rule=\"" + std::string(secret_rules()[0].name) + "\"}"), 2);
  EXPECT_EQ(value("batches_total{flush_reason=\"rows\",result=\"committed\"}"), 1);
  EXPECT_EQ(value("batch_rows_sum"), 5);
  EXPECT_EQ(value("partition_next_offset{partition=\"3\",topic=\"t\"}"), 16);
}

TEST_F(MetricsTest, CountsLatencyIntoTheBucketWhoseEdgeItReaches) {
  BatchReport batch;
  batch.latencies_seconds = {.05, .051, 1'000};
  metrics.committed(batch);
  EXPECT_EQ(value("end_to_end_latency_seconds_bucket{le=\"0.05\"}"), 1);
  EXPECT_EQ(value("end_to_end_latency_seconds_bucket{le=\"0.1\"}"), 2);
  EXPECT_EQ(value("end_to_end_latency_seconds_bucket{le=\"900\"}"), 2);
  EXPECT_EQ(value("end_to_end_latency_seconds_bucket{le=\"+Inf\"}"), 3);
  EXPECT_EQ(value("end_to_end_latency_seconds_count"), 3);
}

TEST_F(MetricsTest, CountsUnknownCodesTogether) {
  metrics.kafka_error("_MADE_UP", "");
  metrics.kafka_error("_ALSO_MADE_UP", "");
  metrics.database_failed("ZZ123", "");
  metrics.database_failed("", "no answer");
  metrics.batch_failed(FlushReason::end, "made up");
  EXPECT_EQ(value("kafka_errors_total{code=\"other\"}"), 2);
  EXPECT_EQ(value("db_errors_total{sqlstate_class=\"other\"}"), 1);
  EXPECT_EQ(value("db_errors_total{sqlstate_class=\"none\"}"), 1);
  EXPECT_EQ(value("batches_total{flush_reason=\"end\",result=\"other\"}"), 1);
}

TEST_F(MetricsTest, AddsUpWhatTheLanesHold) {
  metrics.in_flight(0, 10, 100);
  metrics.in_flight(1, 5, 50);
  metrics.in_flight(0, 1, 7);
  EXPECT_EQ(value("records_in_flight"), 6);
  EXPECT_EQ(value("buffer_bytes"), 57);
}

TEST_F(MetricsTest, LosesTheSeriesOfAPartitionThatIsReleased) {
  const std::string label = "partition=\"3\"";
  metrics.partition_assigned(id, Offset(4));
  metrics.extent(id, {Offset(0), Offset(10)});
  metrics.set_retention("t", 1'000);
  EXPECT_EQ(value("partition_assigned{partition=\"3\",topic=\"t\"}"), 1);
  EXPECT_EQ(value("partition_end_offset{partition=\"3\",topic=\"t\"}"), 10);
  EXPECT_EQ(value("consumer_lag_records{partition=\"3\",topic=\"t\"}"), 6);
  EXPECT_NEAR(value("retention_headroom_seconds{partition=\"3\",topic=\"t\"}"), 1'000, 60);
  metrics.partition_released(id);
  metrics.extent(id, {Offset(0), Offset(10)});
  EXPECT_THAT(metrics.text(), Not(HasSubstr(label)));
  metrics.partition_assigned(id, Offset(5));
  EXPECT_EQ(value("partition_next_offset{partition=\"3\",topic=\"t\"}"), 5);
}

TEST_F(MetricsTest, CountsAHaltedPartitionUntilItIsLetGo) {
  metrics.partition_assigned(id, Offset(4));
  metrics.halted(id, HaltCause::create_time, "");
  EXPECT_EQ(value("halted_partitions{cause=\"create_time\"}"), 1);
  metrics.partition_released(id);
  EXPECT_EQ(value("halted_partitions{cause=\"create_time\"}"), 0);
}

TEST_F(MetricsTest, CanBeScrapedWhileItCounts) {
  std::jthread counting([this](const std::stop_token& stop) {
    BatchReport batch;
    batch.topics["t"].records = 1;
    while (!stop.stop_requested()) {
      metrics.partition_assigned(id, Offset(1));
      metrics.extent(id, {Offset(0), Offset(2)});
      metrics.committed(batch);
      metrics.partition_released(id);
    }
  });
  double last = 0;
  for (int i = 0; i < 50; ++i) {
    const double now = value("records_consumed_total{topic=\"t\"}");
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST_F(MetricsTest, TellsTheProcessByItsUsualNames) {
  const std::string text = metrics.text();
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value_of(text, "process_open_fds"), 2);
  EXPECT_GE(value_of(text, "process_threads"), 1);
  EXPECT_GT(value_of(text, "process_start_time_seconds"), 1.6e9);
}

TEST_F(MetricsTest, LeavesPromtoolSilent) {
  metrics.partition_assigned(id, Offset(4));
  metrics.extent(id, {Offset(0), Offset(10)});
  metrics.set_retention("t", 1'000);
  const TemporaryDirectory directory;
  const std::string text = directory.write("metrics", metrics.text());
  const std::string said = directory.path("said");
  const int code = std::system(("promtool check metrics < " + text + " > " + said + " 2>&1").c_str());
  std::ostringstream complaints;
  complaints << std::ifstream(said).rdbuf();
  EXPECT_EQ(code, 0);
  EXPECT_EQ(complaints.str(), "");
}

constexpr Timestamp at(int seconds) { return Timestamp(std::chrono::seconds(seconds)); }

TEST(Lag, IsZeroWhenCaughtUp) {
  Lag lag(Offset(5), at(0));
  lag.extent({Offset(0), Offset(5)}, at(10));
  EXPECT_EQ(lag.records(), 0);
  EXPECT_EQ(lag.seconds(at(1'000)), 0);
}

TEST(Lag, IsTheAgeOfTheLastCommittedRecordWhileThereIsABacklog) {
  Lag lag(Offset(5), at(1'000));
  lag.extent({Offset(0), Offset(50)}, at(1'001));
  lag.committed(Offset(6));
  lag.last_record(at(400));
  EXPECT_EQ(lag.records(), 44);
  EXPECT_EQ(lag.seconds(at(1'010)), 610);
}

TEST(Lag, OfARecordAfterALongSilenceIsItsOwn) {
  Lag lag(Offset(5), at(0));
  lag.last_record(at(0));
  lag.extent({Offset(0), Offset(5)}, at(3'600));
  lag.extent({Offset(0), Offset(6)}, at(3'605));
  EXPECT_EQ(lag.seconds(at(3'606)), 6);
}

TEST(Lag, IsNotKnownToBeLongerThanTheAssignmentBeforeAnythingIsCommitted) {
  Lag lag(Offset(5), at(100));
  lag.extent({Offset(0), Offset(50)}, at(101));
  EXPECT_EQ(lag.seconds(at(130)), 30);
}

TEST(Lag, IsNeverNegative) {
  Lag lag(Offset(9), at(100));
  lag.extent({Offset(0), Offset(5)}, at(101));
  EXPECT_EQ(lag.records(), 0);
  lag.extent({Offset(0), Offset(50)}, at(102));
  lag.last_record(at(500));
  EXPECT_EQ(lag.seconds(at(130)), 0);
}

}  // namespace
}  // namespace sealstream
