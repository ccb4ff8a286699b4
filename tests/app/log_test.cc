// Goal: a line says what happened as one JSON object, an event that repeats cannot flood the log, and nothing
// it carries can break a line or a terminal. Method: a sink that keeps lines, a clock set by hand.
#include "app/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/logging_probe.h"
#include "metrics/metrics.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using testing::HasSubstr;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  Log make(LogLevel level = LogLevel::info, LogFormat format = LogFormat::json) {
    return Log({.level = level,
                .format = format,
                .on_suppressed = [this](std::size_t count) { suppressed += count; },
                .clock = [this] { return now; }},
               [this](LogLevel, const std::string& line) { lines.push_back(line); });
  }

  std::chrono::system_clock::time_point now{std::chrono::seconds(1'000'000'000)};
  std::vector<std::string> lines;
  std::size_t suppressed = 0;
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  Log log = make();
  log.write(LogLevel::warning, "fenced", "Somebody else owns it",
            {.topic = "t", .partition = Partition(3), .offset = Offset(9), .error_code = "SL002"});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(
      lines[0],
      R"({"ts":"2001-09-09T01:46:40.000Z","level":"warning","event":"fenced","msg":"Somebody else owns it",)"
      R"("topic":"t","partition":3,"offset":9,"error_code":"SL002"})");
}

TEST_F(LogTest, WritesAFormForPeople) {
  Log log = make(LogLevel::info, LogFormat::human);
  log.write(LogLevel::error, "partition_halted", "Look at it", {.topic = "t", .partition = Partition(3)});
  EXPECT_EQ(lines.at(0), "2001-09-09T01:46:40.000Z error partition_halted: Look at it topic=t partition=3");
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  Log log = make(LogLevel::warning);
  log.write(LogLevel::info, "a", "b");
  EXPECT_TRUE(lines.empty());
  EXPECT_EQ(suppressed, 0U);
  log.set_level(LogLevel::info);
  log.write(LogLevel::info, "a", "b");
  EXPECT_EQ(lines.size(), 1U);
}

TEST_F(LogTest, EscapesWhatCouldBreakALineOrATerminal) {
  for (const LogFormat format : {LogFormat::json, LogFormat::human}) {
    Log log = make(LogLevel::info, format);
    log.write(LogLevel::info, "kafka_error", "a\nb\x1b[2J\"\xff", {.topic = "x\ny"});
    EXPECT_THAT(lines.back(), Not(HasSubstr("\n")));
    EXPECT_THAT(lines.back(), Not(HasSubstr("\x1b")));
  }
  EXPECT_TRUE(json_text(lines.front()).has_value());
}

TEST_F(LogTest, LimitsAnEventAndCountsWhatItLeavesOut) {
  Log log = make();
  for (int i = 0; i < 100; ++i) log.write(LogLevel::warning, "fenced", "again");
  log.write(LogLevel::info, "other", "not limited by the first");
  EXPECT_EQ(lines.size(), static_cast<std::size_t>(Log::kLinesPerWindow) + 1);
  EXPECT_EQ(suppressed, 100U - Log::kLinesPerWindow);
  now += Log::kWindow;
  log.write(LogLevel::warning, "fenced", "again");
  EXPECT_THAT(lines.back(), HasSubstr(R"("suppressed":90)"));
}

TEST_F(LogTest, TellsWhatWasLeftOutEvenIfTheEventStops) {
  Log log = make();
  for (int i = 0; i < 12; ++i) log.write(LogLevel::warning, "fenced", "again");
  log.flush_suppressed();
  EXPECT_EQ(lines.size(), static_cast<std::size_t>(Log::kLinesPerWindow)) << "the window is not over";
  now += Log::kWindow;
  log.flush_suppressed();
  log.flush_suppressed();
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(Log::kLinesPerWindow) + 1);
  EXPECT_THAT(lines.back(), HasSubstr(R"("event":"fenced")"));
  EXPECT_THAT(lines.back(), HasSubstr(R"("suppressed":2)"));
}

TEST_F(LogTest, ReplacesSecretsInWhatOthersSaid) {
  make().write(LogLevel::warning, "kafka_error", "no answer of sasl://bob:hunter2@broker");
  EXPECT_THAT(lines.at(0), HasSubstr("sasl://[REDACTED:url-credentials]@broker"));
}

class LoggingProbeTest : public LogTest {
 protected:
  Metrics metrics{{.topics = {"t"}, .version = "1"}};
  Log log = make();
  LoggingProbe probe{log, metrics};
  const PartitionId id{"t", Partition(1)};
};

TEST_F(LoggingProbeTest, LogsAndCountsAHaltedPartition) {
  probe.partition_assigned(id, Offset(5));
  probe.halted(id, HaltCause::not_same_log, "Another log lies there");
  EXPECT_THAT(lines.back(),
              HasSubstr(R"("level":"error","event":"partition_halted","msg":"Another log lies there")"));
  EXPECT_THAT(metrics.text(), HasSubstr("sealstream_halted_partitions{cause=\"not_same_log\"} 1\n"));
}

TEST_F(LoggingProbeTest, SaysOnceThatTheDatabaseIsBack) {
  probe.database_ok();
  EXPECT_TRUE(lines.empty());
  probe.database_failed("08006", "The server is away");
  probe.database_ok();
  probe.database_ok();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr(R"("error_code":"08006")"));
  EXPECT_THAT(lines[1], HasSubstr("database_ok"));
}

TEST_F(LoggingProbeTest, NamesTheReasonsOfRefusals) {
  BatchReport batch;
  batch.topics["t"].quarantined[static_cast<std::size_t>(Reason::schema)] = 2;
  probe.committed(batch);
  EXPECT_THAT(lines.at(0), HasSubstr("refused and quarantined: schema 2"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("sealstream_records_quarantined_total{reason=\"schema\",topic=\"t\"} 2\n"));
}

}  // namespace
}  // namespace sealstream
