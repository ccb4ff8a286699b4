// Goal: windows of keys close at the row that moves the watermark to their end, and only where a key was
// active. Method: clocks fed with times by hand, and random times against a plain search over all windows.
#include "sealstream/core/key_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sealstream {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// 2026-11-25T00:00Z, the start of windows of all lengths, and so much later.
Timestamp at(minutes minute, seconds second = seconds(0)) {
  return Timestamp(std::chrono::sys_days(std::chrono::year(2026) / 11 / 25)) + minute + second;
}

/// A key was active at `time`, and the row was recorded at once.
std::optional<Closing> key_event(KeyClock& clock, Timestamp time) {
  if (!clock.is_late(time)) clock.note_key_event(time);
  return clock.advance(time, time);
}

TEST(KeyClock, WatermarkStaysFiveMinutesBehindAndNeverFalls) {
  KeyClock clock;
  (void)clock.advance(at(minutes(10)), at(minutes(12)));
  EXPECT_EQ(clock.watermark, at(minutes(5)));
  (void)clock.advance(at(minutes(1)), at(minutes(13)));
  EXPECT_EQ(clock.watermark, at(minutes(5)));
}

TEST(KeyClock, EventThatClaimsToComeFromTomorrowMovesItNoFurtherThanItsRecord) {
  KeyClock clock;
  (void)clock.advance(at(minutes(1440)), at(minutes(20)));
  EXPECT_EQ(clock.watermark, at(minutes(15)));
}

TEST(KeyClock, MinuteClosesWhenTheWatermarkReachesItsEnd) {
  KeyClock clock;
  EXPECT_EQ(key_event(clock, at(minutes(10), seconds(30))), std::nullopt);
  (void)clock.advance(at(minutes(15), seconds(59)), at(minutes(16)));
  EXPECT_FALSE(clock.is_late(at(minutes(10), seconds(59))));
  EXPECT_EQ(clock.advance(at(minutes(16)), at(minutes(16))), (Closing{at(minutes(10)), at(minutes(11))}));
  EXPECT_TRUE(clock.is_late(at(minutes(10), seconds(59))));
  EXPECT_FALSE(clock.is_late(at(minutes(11))));
}

TEST(KeyClock, WhereNoKeyWasActiveNothingCloses) {
  KeyClock clock;
  for (int minute = 0; minute < 3000; ++minute)
    EXPECT_EQ(clock.advance(at(minutes(minute)), at(minutes(minute))), std::nullopt);
}

TEST(KeyClock, LongerWindowsCloseAfterTheKeyFellSilent) {
  KeyClock clock;
  (void)key_event(clock, at(minutes(0)));
  std::vector<Timestamp> closed;
  for (int minute = 1; minute < 3000; ++minute) {
    if (const auto closing = clock.advance(at(minutes(minute)), at(minutes(minute))))
      closed.push_back(closing->to);
  }
  std::vector<Timestamp> ends;
  for (const minutes length : kWindowLengths) ends.push_back(at(length));
  std::erase_if(closed,
                [](Timestamp end) { return end < at(minutes(1)); });  // no key is known to be silent yet
  EXPECT_EQ(closed, ends);
}

/// Whether a window that ends in (from, to] holds one of those minutes.
bool any_closes(const std::vector<Timestamp>& active, Timestamp from, Timestamp to) {
  return std::ranges::any_of(kWindowLengths, [&](minutes length) {
    return std::ranges::any_of(active, [&](Timestamp time) {
      const auto since = std::chrono::floor<minutes>(time.time_since_epoch());
      const Timestamp end(since - since % length + length);
      return from < end && end <= to;
    });
  });
}

TEST(KeyClock, NoWindowThatHoldsAnEventIsOverlooked) {
  std::mt19937 dice(20261125);
  for (int round = 0; round < 200; ++round) {
    KeyClock clock;
    std::vector<Timestamp> active;
    int minute = 0;
    for (int row = 0; row < 100; ++row) {
      minute += static_cast<int>(dice() % 4 == 0 ? dice() % 400 : dice() % 3);
      const Timestamp time = at(minutes(minute)) - seconds(dice() % 360);
      const Timestamp before = clock.watermark;
      std::optional<Closing> closing;
      if (dice() % 3 == 0) {
        if (!clock.is_late(time)) active.push_back(time);
        closing = key_event(clock, time);
      } else {
        closing = clock.advance(time, time);
      }
      if (before == Timestamp::min()) continue;
      const Closing all{std::chrono::floor<minutes>(before), std::chrono::floor<minutes>(clock.watermark)};
      EXPECT_TRUE(closing || !any_closes(active, all.from, all.to)) << "round " << round << ", row " << row;
      EXPECT_EQ(closing.value_or(all), all) << "round " << round << ", row " << row;
    }
  }
}

}  // namespace
}  // namespace sealstream
