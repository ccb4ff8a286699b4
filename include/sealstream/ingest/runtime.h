// Time and threads as the pipeline uses them. There are two: the machine's, and the simulation's
// (tests/simulation), in which one seed decides who runs next and how long everything takes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace sealstream {

/// Thread-safe. Everything in ingest that waits, or asks what time it is, does so here or behind a port
/// (Source, Ledger); but for the wall clock of latencies and of leaves made ahead, and the stages' durations.
class Runtime {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Runtime() = default;

  virtual TimePoint now() = 0;

  /// As std::condition_variable::wait_until: returns ready() once that is true or `deadline` has passed.
  virtual bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                          TimePoint deadline, const std::function<bool()>& ready) = 0;

  /// Runs each of `bodies` on a thread of its own and `here` on the calling one; returns when all have ended.
  /// What `here` throws is thrown on after that; `bodies` must not throw.
  virtual void run_beside(std::vector<std::function<void()>> bodies, const std::function<void()>& here) = 0;

  /// A seed for the jitter of one back-off.
  virtual std::uint_fast32_t seed() = 0;
};

/// The machine's clock, threads and entropy. Lives as long as the process.
Runtime& machine_runtime();

}  // namespace sealstream
