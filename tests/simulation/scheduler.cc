#include "simulation/scheduler.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sealstream::simulation {

struct Scheduler::Task {
  Process process;
  std::function<void()> body;
  const std::function<bool()>* ready = nullptr;
  TimePoint due{};
  bool killed = false;
  bool ended = false;
  std::condition_variable turn;
  std::thread thread;
};

namespace {
thread_local void* task_of_this_thread = nullptr;
}  // namespace

Scheduler::Scheduler(std::uint64_t seed) : dice_(seed) {}

Scheduler::~Scheduler() {
  closing_ = true;
  for (const auto& task : tasks_) task->killed = true;
  while (std::any_of(tasks_.begin(), tasks_.end(), [](const auto& task) { return !task->ended; }))
    pass_on(nullptr);
  for (const auto& task : tasks_) task->thread.join();
}

Scheduler::Task& Scheduler::current() const {
  assert(task_of_this_thread != nullptr);
  return *static_cast<Task*>(task_of_this_thread);
}

bool Scheduler::wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable&, TimePoint deadline,
                           const std::function<bool()>& ready) {
  lock.unlock();
  const bool came = wait(deadline, ready);
  lock.lock();
  return came;
}

bool Scheduler::wait(TimePoint deadline, const std::function<bool()>& ready) {
  Task& task = current();
  task.ready = &ready;
  task.due = deadline;
  pass_on(&task);
  task.ready = nullptr;
  if (task.killed && std::uncaught_exceptions() == 0) throw Killed{};
  return ready();
}

void Scheduler::pause(milliseconds longest) {
  wait(now_ + std::chrono::microseconds(below(longest.count() * 1000 + 1)), [] { return false; });
}

void Scheduler::run_beside(std::vector<std::function<void()>> bodies, const std::function<void()>& here) {
  const std::size_t first = tasks_.size();
  const std::size_t count = bodies.size();
  for (auto& body : bodies) start(current().process, std::move(body));
  std::exception_ptr thrown;
  try {
    here();
  } catch (...) {
    thrown = std::current_exception();
  }
  const std::function<bool()> all_ended = [&] {
    return std::all_of(tasks_.begin() + static_cast<std::ptrdiff_t>(first),
                       tasks_.begin() + static_cast<std::ptrdiff_t>(first + count),
                       [](const auto& task) { return task->ended; });
  };
  Task& task = current();
  task.ready = &all_ended;
  task.due = TimePoint::max();
  while (!all_ended()) pass_on(&task);  // also where we are killed: they use what is ours
  task.ready = nullptr;
  if (thrown) std::rethrow_exception(thrown);
  if (task.killed) throw Killed{};
}

void Scheduler::start(Process process, std::function<void()> body) {
  Task& task = *tasks_.emplace_back(std::make_unique<Task>());
  task.process = process;
  task.body = std::move(body);
  task.thread = std::thread([this, &task] { live(task); });
}

void Scheduler::live(Task& task) {
  {
    std::unique_lock lock(mutex_);
    task.turn.wait(lock, [&] { return running_ == &task; });
  }
  task_of_this_thread = &task;
  try {
    if (!task.killed) task.body();
  } catch (const Killed&) {
    // as it should
  } catch (...) {
    if (!failure_) failure_ = std::current_exception();
  }
  task.body = nullptr;
  task.ended = true;
  hand_over_to(choose());
}

void Scheduler::kill(Process process) {
  for (const auto& task : tasks_) {
    if (task->process == process) task->killed = true;
  }
  frozen_until_.erase(process);
}

bool Scheduler::alive(Process process) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task->process == process && !task->ended && !task->killed;
  });
}

void Scheduler::run() {
  pass_on(nullptr);
  if (failure_) std::rethrow_exception(failure_);
  for (const auto& task : tasks_) {
    if (!task->ended) throw NoProgress("all tasks wait, and nothing will wake them");
  }
}

/// Gives the turn away; returns when it is back.
void Scheduler::pass_on(Task* from) {
  hand_over_to(choose());
  std::unique_lock lock(mutex_);
  (from != nullptr ? from->turn : turn_).wait(lock, [&] { return running_ == from; });
}

void Scheduler::hand_over_to(Task* task) {
  const std::lock_guard lock(mutex_);
  running_ = task;
  (task != nullptr ? task->turn : turn_).notify_one();
}

/// Who runs next: one of those that can, by the dice; time passes where nobody can. Nobody where all have
/// ended, or one has failed.
Scheduler::Task* Scheduler::choose() {
  if (!closing_ && ++steps_ > kMostSteps)
    failure_ = std::make_exception_ptr(NoProgress("a task goes round in circles"));
  if (failure_ && !closing_) return nullptr;
  for (;;) {
    std::vector<Task*> able;
    TimePoint next = TimePoint::max();
    for (const auto& task : tasks_) {
      if (task->ended) continue;
      if (can_run(*task)) able.push_back(task.get());
      next = std::min(next, wakes_at(*task));
    }
    if (!able.empty()) return able[static_cast<std::size_t>(below(std::ssize(able)))];
    if (next == TimePoint::max()) return nullptr;
    now_ = next;
  }
}

bool Scheduler::can_run(const Task& task) const {
  if (task.killed) return true;
  if (frozen_until(task.process) > now_) return false;
  return task.due <= now_ || (task.ready != nullptr && (*task.ready)());
}

/// When it can run at the latest, or has to be asked again.
Scheduler::TimePoint Scheduler::wakes_at(const Task& task) const {
  const TimePoint frozen = frozen_until(task.process);
  return frozen > now_ ? frozen : task.due;
}

Scheduler::TimePoint Scheduler::frozen_until(Process process) const {
  const auto found = frozen_until_.find(process);
  return found == frozen_until_.end() ? TimePoint{} : found->second;
}

}  // namespace sealstream::simulation
