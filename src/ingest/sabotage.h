// Where tests have this program killed, or carry a bug. Only a build with SEALSTREAM_SABOTAGE (preset
// `sabotage`) does so; in any other a crash point is nothing at all, and no mutant lives.
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

inline std::string sabotage_order(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

/// kill -9 at the n-th passage of the one point that the environment names: SEALSTREAM_CRASH_AT=name:n.
inline void crash_point(std::string_view name) {
  static const std::string order = sabotage_order("SEALSTREAM_CRASH_AT");
  static const std::size_t colon = order.find(':');
  static std::atomic<long> passages_left =
      colon == std::string::npos ? 0 : std::strtol(order.c_str() + colon + 1, nullptr, 10);
  if (name == std::string_view(order).substr(0, colon) && --passages_left == 0) ::kill(::getpid(), SIGKILL);
}

/// Whether the environment asks for this bug: SEALSTREAM_MUTANT=name.
inline bool mutant(std::string_view name) {
  static const std::string order = sabotage_order("SEALSTREAM_MUTANT");
  return name == order;
}

#else

inline void crash_point(std::string_view /*name*/) {}
constexpr bool mutant(std::string_view /*name*/) { return false; }

#endif

}  // namespace sealstream
