// Waiting for a condition, with a deadline.
#pragma once

#include <chrono>
#include <thread>

namespace sealstream::testing {

/// True once `condition` holds; false when it does not within ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace sealstream::testing
