// Waiting for a condition, with a deadline instead of a sleep.
#pragma once

#include <chrono>
#include <thread>

namespace sealstream {

/// Whether `condition` becomes true within ten seconds.
template <class Condition>
bool becomes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace sealstream
