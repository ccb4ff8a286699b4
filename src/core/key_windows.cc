#include "sealstream/core/key_windows.h"

#include <algorithm>

namespace sealstream {
namespace {

using std::chrono::minutes;

Timestamp minute_of(Timestamp time) { return std::chrono::floor<minutes>(time); }
Timestamp end_of_minute(Timestamp time) { return minute_of(time) + minutes(1); }

/// The start of the window of that length that holds `time`.
Timestamp window_of(Timestamp time, minutes length) {
  const auto since_1970 = std::chrono::floor<minutes>(time.time_since_epoch());
  const auto into_window = (since_1970 % length + length) % length;
  return Timestamp(since_1970 - into_window);
}

/// Whether a window that ends in (from, to] may hold a minute before `active_until`. Of each length the first
/// one that ends there decides: those behind it begin later.
bool may_close(Timestamp from, Timestamp to, Timestamp active_until) {
  return std::ranges::any_of(kWindowLengths, [&](minutes length) {
    const Timestamp start = window_of(from, length);
    return start < active_until && start + length <= to;
  });
}

}  // namespace

bool KeyClock::is_late(Timestamp time) const { return end_of_minute(time) <= watermark; }

void KeyClock::note_key_event(Timestamp time) { active_until = std::max(active_until, end_of_minute(time)); }

std::optional<Closing> KeyClock::advance(Timestamp event_time, Timestamp recorded_at) {
  const Timestamp before = watermark;
  watermark = std::max(watermark, std::min(event_time, recorded_at) - kLateness);
  if (before == Timestamp::min() || active_until == Timestamp::min()) return std::nullopt;
  const Closing closing{minute_of(before), minute_of(watermark)};
  if (closing.from == closing.to || !may_close(closing.from, closing.to, active_until)) return std::nullopt;
  return closing;
}

}  // namespace sealstream
