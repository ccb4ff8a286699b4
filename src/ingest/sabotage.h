// Where tests have this program killed. Only a build with SEALSTREAM_SABOTAGE (preset `sabotage`) can be; in
// any other a crash point is nothing at all.
#pragma once

#include <string_view>

#ifdef SEALSTREAM_SABOTAGE
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#endif

namespace sealstream {

#ifdef SEALSTREAM_SABOTAGE

/// kill -9 at the n-th passage of the one point that the environment names: SEALSTREAM_CRASH_AT=name:n.
inline void crash_point(std::string_view name) {
  static const std::string order = [] {
    const char* value = std::getenv("SEALSTREAM_CRASH_AT");
    return std::string(value == nullptr ? "" : value);
  }();
  static const std::size_t colon = order.find(':');
  static std::atomic<long> passages_left =
      colon == std::string::npos ? 0 : std::strtol(order.c_str() + colon + 1, nullptr, 10);
  if (name == std::string_view(order).substr(0, colon) && --passages_left == 0) ::kill(::getpid(), SIGKILL);
}

#else

inline void crash_point(std::string_view /*name*/) {}

#endif

}  // namespace sealstream
