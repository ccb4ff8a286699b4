#include "sealstream/ingest/runtime.h"

#include <random>
#include <thread>
#include <utility>

namespace sealstream {
namespace {

class MachineRuntime : public Runtime {
 public:
  TimePoint now() override { return std::chrono::steady_clock::now(); }

  bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, TimePoint deadline,
                  const std::function<bool()>& ready) override {
    return changed.wait_until(lock, deadline, ready);
  }

  void run_beside(std::vector<std::function<void()>> bodies, const std::function<void()>& here) override {
    std::vector<std::jthread> threads;
    threads.reserve(bodies.size());
    for (auto& body : bodies) threads.emplace_back(std::move(body));
    here();
  }

  std::uint_fast32_t seed() override { return std::random_device{}(); }
};

}  // namespace

Runtime& machine_runtime() {
  static MachineRuntime runtime;
  return runtime;
}

}  // namespace sealstream
