// Goal: no property can be passed on that would break delivery, and a wrong one is named. Method: each name,
// against the librdkafka in use.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kafka/client.h"
#include "member.h"

namespace sealstream::test {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(KafkaOptions, RefuseByNameWhatWouldBreakDelivery) {
  EXPECT_TRUE(std::is_sorted(refused_properties().begin(), refused_properties().end()));
  for (const std::string name :
       {"enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "isolation.level",
        "check.crcs", "enable.partition.eof", "api.version.fallback.ms", "broker.version.fallback",
        "client.rack", "partition.assignment.strategy", "group.id", "bootstrap.servers"}) {
    EXPECT_THAT(property_problem(name, "true"), Optional(HasSubstr(name)));
  }
}

TEST(KafkaOptions, RefuseWhatLibrdkafkaDoesNotKnowOrTake) {
  EXPECT_THAT(property_problem("ssl.ca.locaton", "/etc/ca"), Optional(HasSubstr("ssl.ca.locaton")));
  EXPECT_THAT(property_problem("fetch.wait.max.ms", "soon"), Optional(HasSubstr("fetch.wait.max.ms")));
  EXPECT_EQ(property_problem("fetch.wait.max.ms", "20"), std::nullopt);
  EXPECT_EQ(property_problem("security.protocol", "sasl_ssl"), std::nullopt);
}

TEST(KafkaOptions, AreCheckedWhenAConsumerIsMade) {
  RecordingProbe probe;
  KafkaOptions options = options_for({"audit.events.v1"}, "127.0.0.1:1");
  options.properties = {{"enable.auto.commit", "true"}};
  EXPECT_THROW(Consumer(options, 1, probe), SourceError);
  options.properties = {{"fetch.wait.max.ms", "20"}};
  EXPECT_NO_THROW(Consumer(options, 1, probe));
  options.topics = {"^audit.*"};
  EXPECT_THROW(Consumer(options, 1, probe), SourceError);
  options.topics = {"audit.events.v1"};
  options.session_timeout = milliseconds(0);
  EXPECT_THROW(Consumer(options, 1, probe), SourceError);
}

}  // namespace
}  // namespace sealstream::test
