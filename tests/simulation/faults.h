// What goes wrong in a simulated history: drawn by the dice, told in a trace, and bounded, so that the
// shortest prefix of faults that still fails can be found.
#pragma once

#include <string>
#include <vector>

#include "simulation/scheduler.h"

namespace sealstream::simulation {

class Faults {
 public:
  Faults(Scheduler& scheduler, int at_most) : scheduler_(scheduler), at_most_(at_most) {}

  /// Whether it happens now. Draws in any case, so that a bound changes nothing before it is reached.
  bool strike(const std::string& what, int permille) {
    if (!scheduler_.chance(permille) || over_) return false;
    if (std::ssize(struck_) >= at_most_) return false;
    note(what);
    struck_.push_back(what);
    return true;
  }
  /// From now on nothing goes wrong any more.
  void end() { over_ = true; }

  void note(const std::string& what) {
    const auto since = std::chrono::duration_cast<milliseconds>(scheduler_.now() - begin_);
    trace_.push_back(std::to_string(since.count()) + " ms: " + what);
  }

  int struck() const { return static_cast<int>(struck_.size()); }
  const std::vector<std::string>& kinds() const { return struck_; }
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  Scheduler& scheduler_;
  const int at_most_;
  const Runtime::TimePoint begin_ = scheduler_.now();
  bool over_ = false;
  std::vector<std::string> struck_;
  std::vector<std::string> trace_;
};

}  // namespace sealstream::simulation
