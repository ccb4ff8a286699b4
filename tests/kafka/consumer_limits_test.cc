// Goal: a lane that takes nothing stops the fetcher by its queue's limits, in bounded memory, and goes on
// later; and a lane that takes all is not held up. Method: a backlog several times the limits, and the
// process's own resident memory.

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "member.h"

namespace sealstream::test {
namespace {

constexpr int kPartitions = 12;
constexpr std::size_t kMiB = 1024 * 1024;

std::size_t resident_bytes() {
  std::size_t whole = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// Waits until memory has not grown for half a second: the fetchers have stopped.
std::size_t settled_bytes() {
  std::size_t highest = 0;
  auto grown = std::chrono::steady_clock::now();
  const bool settled = eventually([&] {
    const auto now = std::chrono::steady_clock::now();
    if (resident_bytes() > highest) {
      highest = resident_bytes();
      grown = now;
    }
    return now - grown > milliseconds(500) && highest > 0;
  });
  EXPECT_TRUE(settled);
  return highest;
}

class ConsumerSizes : public testing::TestWithParam<std::size_t> {};

TEST_P(ConsumerSizes, HoldALaneThatRestsInBoundedMemoryAndItGoesOnLater) {
  const std::size_t record_bytes = GetParam();
  const std::string topic = make_topic(kPartitions);
  const int count = static_cast<int>(192 * kMiB / kPartitions / record_bytes);
  {
    Producer producer;
    for (int p = 0; p < kPartitions; ++p) {
      producer.send_numbers({topic, Partition(p)}, count, 0, record_bytes);
      producer.flush();
    }
  }
  Taken taken(false);
  Member member(options_for({topic}), 4, taken);
  malloc_trim(0);  // what the producer has freed is not to hide what the consumer takes
  const std::size_t before = resident_bytes();
  member.rest(true);
  member.start();
  ASSERT_TRUE(eventually([&] { return resident_bytes() > before + 8 * kMiB; })) << "the fetchers have begun";
  const std::size_t settled = settled_bytes();
  EXPECT_LT(settled - before, 140 * kMiB) << "of a backlog of 192 MiB";
  RecordProperty("mebibytes", static_cast<int>((settled - before) / kMiB));

  member.rest(false);
  for (int p = 0; p < kPartitions; ++p) {
    const PartitionId id{topic, Partition(p)};
    ASSERT_TRUE(eventually([&] { return taken.next(id) == Offset(count); }, milliseconds(60'000)));
    EXPECT_EQ(taken.of(id).offsets.size(), static_cast<std::size_t>(count));
  }
}

TEST(ConsumerLimits, LetALaneGoOnWhileItsNeighbourRests) {
  const std::string topic = make_topic(4);
  const int count = 30'000;
  {
    Producer producer;
    for (int p = 0; p < 4; ++p) {
      producer.send_numbers({topic, Partition(p)}, count, 0, 800);
    }
    producer.flush();
  }
  malloc_trim(0);
  const std::size_t before = resident_bytes();
  Taken taken(false);
  Member member(options_for({topic}), 2, taken);
  member.rest_lane(0);
  member.start();
  for (const int p : {1, 3}) {
    ASSERT_TRUE(eventually([&] { return taken.next({topic, Partition(p)}) == Offset(count); }));
  }
  EXPECT_EQ((taken.next({topic, Partition(0)})), Offset(0));
  EXPECT_LT(settled_bytes() - before, 100 * kMiB);
  member.rest(false);
  for (const int p : {0, 2}) {
    ASSERT_TRUE(eventually([&] { return taken.next({topic, Partition(p)}) == Offset(count); }));
  }
}

/// A full queue's fetcher looks at it again when an answer arrives, or after a second.
TEST(ConsumerLimits, AskTheBrokerSomethingWhenABacklogHasEmptiedItsQueue) {
  const PartitionId id{make_topic(1), Partition(0)};
  KafkaOptions options = options_for({id.topic});
  options.extent_interval = std::chrono::hours(1);
  Taken taken(false);
  Member member(options, 1, taken);
  const auto known_end = [&] {
    const auto extents = member.probe().extents();
    const auto found = extents.find(id);
    return found == extents.end() ? Offset(-1) : found->second.end;
  };
  member.start();
  ASSERT_TRUE(eventually([&] { return known_end() == Offset(0); }));
  member.rest(true);
  Producer producer;
  producer.send_numbers(id, 5'000);
  producer.flush();
  member.rest(false);
  EXPECT_TRUE(eventually([&] { return known_end() == Offset(5'000); }));
}

INSTANTIATE_TEST_SUITE_P(Bytes, ConsumerSizes, testing::Values(200, 800, 100'000));

}  // namespace
}  // namespace sealstream::test
