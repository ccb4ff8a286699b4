// Goal: a member goes on by itself after its broker was killed, paused or late, and can leave without one.
// Method: a broker of the test's own.

#include <gtest/gtest.h>

#include "member.h"
#include "own_broker.h"

namespace sealstream::test {
namespace {

using Clock = std::chrono::steady_clock;

class ConsumerBroker : public testing::Test {
 protected:
  void send(int count, int first) {
    Producer producer(broker_.address());
    for (int p = 0; p < 4; ++p) {
      producer.send_numbers({topic_, Partition(p)}, count, first);
    }
    producer.flush();
  }

  bool all_at(std::int64_t next) {
    for (int p = 0; p < 4; ++p) {
      if (taken_.next({topic_, Partition(p)}) != Offset(next)) {
        return false;
      }
    }
    return true;
  }

  OwnBroker broker_;
  std::string topic_ = make_topic(4, {}, broker_.address());
  Taken taken_;
};

TEST_F(ConsumerBroker, KilledAndStartedAgainTheMemberGoesOnByItself) {
  Member member(options_for({topic_}, broker_.address()), 2, taken_);
  member.start();
  send(50, 0);
  ASSERT_TRUE(eventually([&] { return all_at(50); }));
  broker_.kill();
  EXPECT_TRUE(eventually([&] { return !member.probe().errors().empty(); }));
  EXPECT_TRUE(eventually([&] { return member.probe().brokers() == 0; }));
  broker_.start();
  send(50, 50);
  EXPECT_TRUE(eventually([&] { return all_at(100); }, milliseconds(15'000)));
  for (int p = 0; p < 4; ++p) {
    const Taken::Of of = taken_.of({topic_, Partition(p)});
    EXPECT_EQ(of.offsets.size(), 100U);
    EXPECT_EQ(of.out_of_range, 0);
  }
  EXPECT_FALSE(member.ended());
}

TEST_F(ConsumerBroker, PausedForLongerThanTheSessionItGoesOnByItself) {
  Member member(options_for({topic_}, broker_.address()), 2, taken_);
  member.start();
  send(10, 0);
  ASSERT_TRUE(eventually([&] { return all_at(10); }));
  const int before = member.revocations();
  broker_.pause();
  EXPECT_TRUE(eventually([&] { return member.revocations() > before; }))
      << "the assignment must be given up as lost";
  broker_.resume();
  send(10, 10);
  EXPECT_TRUE(eventually([&] { return all_at(20); }, milliseconds(15'000)));
}

TEST_F(ConsumerBroker, GoneAMemberLeavesWithinItsDeadline) {
  KafkaOptions options = options_for({topic_}, broker_.address());
  options.leave_deadline = milliseconds(2'000);
  Member member(options, 2, taken_);
  member.start();
  ASSERT_TRUE(eventually([&] { return member.assigned_now().size() == 4; }));
  broker_.kill();
  const Clock::time_point before = Clock::now();
  member.stop();
  EXPECT_LT(Clock::now() - before, milliseconds(4'000));
  EXPECT_TRUE(member.assigned_now().empty());
}

TEST_F(ConsumerBroker, GoneItsExtentIsNotWaitedForLongerThanAsked) {
  Member member(options_for({topic_}, broker_.address()), 2, taken_);
  member.start();
  ASSERT_TRUE(eventually([&] { return member.assigned_now().size() == 4; }));
  broker_.pause();
  member.on_lane(0, [&](RecordStream& stream) {
    const Clock::time_point before = Clock::now();
    EXPECT_EQ((stream.extent({topic_, Partition(0)}, milliseconds(500))), std::nullopt);
    EXPECT_LT(Clock::now() - before, milliseconds(1'500));
  });
  broker_.resume();
  member.on_lane(0, [&](RecordStream& stream) {
    EXPECT_TRUE((stream.extent({topic_, Partition(0)}, milliseconds(20'000))).has_value());
  });
}

}  // namespace
}  // namespace sealstream::test
