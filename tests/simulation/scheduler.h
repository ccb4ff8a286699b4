// Simulated time and threads: every task of every simulated process runs on a thread of its own, but only one
// at a time, and a seed decides which. Time stands still while a task runs and jumps when all of them wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "sealstream/ingest/options.h"
#include "sealstream/ingest/runtime.h"

namespace sealstream::simulation {

/// A simulated process. Tasks that it starts are its own, and die with it.
using Process = int;

/// More steps than any history takes: somebody waits for what never comes without letting time pass.
class NoProgress : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Scheduler : public Runtime {
 public:
  explicit Scheduler(std::uint64_t seed);
  ~Scheduler() override;

  // Runtime; called by tasks. All but now() and seed() let other tasks run, and end a killed one by an
  // exception.
  TimePoint now() override { return now_; }
  bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, TimePoint deadline,
                  const std::function<bool()>& ready) override;
  void run_beside(std::vector<std::function<void()>> bodies, const std::function<void()>& here) override;
  std::uint_fast32_t seed() override { return static_cast<std::uint_fast32_t>(dice_()); }

  /// Lets others run until ready() or `deadline`.
  bool wait(TimePoint deadline, const std::function<bool()>& ready);
  /// Lets others run, for a time below `longest`.
  void pause(milliseconds longest);

  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(dice_() % static_cast<std::uint64_t>(bound));
  }
  bool chance(int permille) { return below(1000) < permille; }

  void start(Process process, std::function<void()> body);
  /// kill -9: its tasks run not one more line of the program; what they hold is destroyed.
  void kill(Process process);
  /// SIGSTOP, and SIGCONT at `until`.
  void freeze(Process process, TimePoint until) { frozen_until_[process] = until; }
  bool alive(Process process) const;

  /// Runs all tasks to their end, on the thread that made this. Throws what a task threw, and NoProgress.
  void run();

 private:
  struct Task;
  struct Killed {};

  Task& current() const;
  void pass_on(Task* from);
  Task* choose();
  bool can_run(const Task& task) const;
  TimePoint wakes_at(const Task& task) const;
  TimePoint frozen_until(Process process) const;
  void hand_over_to(Task* task);
  void live(Task& task);

  static constexpr std::int64_t kMostSteps = 2'000'000;

  std::mt19937_64 dice_;
  TimePoint now_{std::chrono::hours(1)};
  std::int64_t steps_ = 0;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::map<Process, TimePoint> frozen_until_;
  std::exception_ptr failure_;  ///< the first
  bool closing_ = false;        ///< all are killed

  std::mutex mutex_;  // guards running_; the rest belongs to whoever runs
  std::condition_variable turn_;
  Task* running_ = nullptr;  ///< nobody: the thread in run()
};

}  // namespace sealstream::simulation
