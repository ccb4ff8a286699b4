// Our own clock: for latencies and for leaves made ahead of time. Nothing that is hashed depends on it.
#pragma once

#include <chrono>

#include "sealstream/core/ids.h"

namespace sealstream {

inline Timestamp wall_clock() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace sealstream
