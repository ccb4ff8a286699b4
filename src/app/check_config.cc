#include "app/check_config.h"

#include <algorithm>

#include "app/json_writer.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

constexpr std::chrono::milliseconds kLeastRetention = std::chrono::days(7);
constexpr std::chrono::milliseconds kMostSkew{5'000};

std::string days(std::int64_t milliseconds) {
  const double days = static_cast<double>(milliseconds) / 86'400'000;
  std::string text = std::to_string(days);
  text.resize(text.find('.') + 2);
  return text + " days";
}

}  // namespace

std::vector<Finding> judge_topic(const TopicFacts& facts, bool accept_create_time) {
  const std::string check = "topic " + facts.topic;
  std::vector<Finding> findings;
  const auto wrong = [&](const std::string& sentence) { findings.push_back({check, false, sentence}); };
  if (facts.partitions == 0) {
    wrong("there is no such topic, or this user may not see it");
    return findings;
  }
  if (!facts.problem.empty()) {
    wrong(facts.problem);
    return findings;
  }
  if (facts.cleanup_policy != "delete") {
    wrong("cleanup.policy is " + facts.cleanup_policy +
          ": compaction removes records that a chain must hold; set it "
          "to delete");
  }
  if (facts.timestamp_type != "LogAppendTime" && !accept_create_time) {
    wrong("message.timestamp.type is " + facts.timestamp_type +
          ": its partitions would halt; set it to LogAppendTime");
  }
  if (facts.retention_ms >= 0 && facts.retention_ms < kLeastRetention.count()) {
    wrong("retention.ms keeps records for " + days(facts.retention_ms) +
          "; set it to 7 days (604800000) or more");
  }
  if (facts.retention_bytes >= 0) {
    wrong(
        "retention.bytes removes records by size, however young: set it to -1, or see that a partition holds "
        "7 days");
  }
  if (findings.empty()) {
    findings.push_back({check, true,
                        std::to_string(facts.partitions) + " partitions, kept " +
                            (facts.retention_ms < 0 ? "for ever" : "for " + days(facts.retention_ms))});
  }
  return findings;
}

std::vector<Finding> judge_topics(const std::vector<TopicFacts>& topics, bool accept_create_time) {
  std::vector<Finding> findings;
  for (const TopicFacts& facts : topics) {
    const std::vector<Finding> own = judge_topic(facts, accept_create_time);
    findings.insert(findings.end(), own.begin(), own.end());
    if (facts.partitions != topics.front().partitions) {
      findings.push_back({"topic " + facts.topic, false,
                          "has " + std::to_string(facts.partitions) + " partitions and " +
                              topics.front().topic + " has " + std::to_string(topics.front().partitions) +
                              ": a tenant's events would not share a lane; give all topics as many"});
    }
  }
  return findings;
}

Finding judge_clock(const std::string& other, std::chrono::milliseconds ahead) {
  const std::string check = "clock of " + other;
  const std::string difference = std::to_string(std::abs(ahead.count())) + " ms " +
                                 (ahead.count() < 0 ? "ahead of" : "behind") + " this machine's";
  if (std::chrono::abs(ahead) <= kMostSkew) return {check, true, difference};
  return {check, false, difference + ": synchronise them (chrony, systemd-timesyncd)"};
}

bool all_ok(const std::vector<Finding>& findings) {
  return std::ranges::all_of(findings, [](const Finding& finding) { return finding.ok; });
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const bool ok : {false, true}) {
    for (const Finding& finding : findings) {
      if (finding.ok == ok)
        text +=
            (ok ? "ok     " : "wrong  ") + finding.check + ": " + without_secrets(finding.sentence) + "\n";
    }
  }
  return text;
}

std::string findings_json(const std::vector<Finding>& findings) {
  JsonWriter json;
  json.begin_object().member("ok", all_ok(findings)).key("findings").begin_array();
  for (const Finding& finding : findings) {
    json.begin_object().member("check", finding.check).member("ok", finding.ok);
    json.member("sentence", without_secrets(finding.sentence)).end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

}  // namespace sealstream
