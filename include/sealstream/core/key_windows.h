// The clock of the anomaly rules (schemas/read-models.md, "api_key_anomalies"): a tenant's watermark, and
// when a row closes windows in which a key was active.
#pragma once

#include <array>
#include <chrono>
#include <optional>

#include "sealstream/core/ids.h"

namespace sealstream {

/// How far the watermark stays behind the highest time seen.
inline constexpr std::chrono::minutes kLateness{5};

/// The lengths of the rules' windows. Each is a whole number of minutes and starts at a multiple of itself.
inline constexpr std::array kWindowLengths = {
    std::chrono::minutes{1},  std::chrono::minutes{3},  std::chrono::minutes{5},   std::chrono::minutes{10},
    std::chrono::minutes{30}, std::chrono::minutes{60}, std::chrono::minutes{1440}};

/// The minutes [from, to) close, and with them every window whose end lies in (from, to].
struct Closing {
  Timestamp from;
  Timestamp to;
  friend bool operator==(const Closing&, const Closing&) = default;
};

/// Where a tenant's rules stand after a row. A value: it follows from the rows of the chain alone.
struct KeyClock {
  Timestamp watermark{Timestamp::min()};     ///< of all rows; never falls
  Timestamp active_until{Timestamp::min()};  ///< end of the last minute that holds an event of a key
  friend bool operator==(const KeyClock&, const KeyClock&) = default;

  /// Whether an event of this time comes after its minute has closed.
  bool is_late(Timestamp time) const;
  /// An event of a key, which is not late.
  void note_key_event(Timestamp time);
  /// Takes the next row. What it closes; nothing where no window that may hold an event of a key closes. A
  /// chain's first row closes nothing: an event is never older than its own watermark.
  std::optional<Closing> advance(Timestamp event_time, Timestamp recorded_at);
};

}  // namespace sealstream
