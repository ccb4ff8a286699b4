// How far a partition is behind, in records and in seconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "sealstream/core/ids.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// Pure: time is an argument. What is not committed was written after the last committed record, and after
/// the moment for which the broker said that there is nothing more: its age is at most the time since the
/// later of the two. Before either is known, it is the time since the assignment (which says too little,
/// never too much).
class Lag {
 public:
  Lag(Offset next, Timestamp now) : next_(next), since_(now) {}

  void committed(Offset next) { next_ = next; }
  void last_record(Timestamp written) {
    since_ = known_ ? std::max(since_, written) : written;
    known_ = true;
  }
  void extent(Extent extent, Timestamp now) {
    extent_ = extent;
    if (records() == 0) {
      since_ = known_ ? std::max(since_, now) : now;
      known_ = true;
    }
  }

  Offset next() const { return next_; }
  const std::optional<Extent>& extent() const { return extent_; }
  std::int64_t records() const {
    return extent_ ? std::max<std::int64_t>(0, distance(next_, extent_->end)) : 0;
  }
  double seconds(Timestamp now) const {
    if (records() == 0) return 0;
    return std::max(0.0, std::chrono::duration<double>(now - since_).count());
  }

 private:
  Offset next_;
  Timestamp since_;
  bool known_ = false;  ///< since_ is more than the time of the assignment
  std::optional<Extent> extent_;
};

}  // namespace sealstream
