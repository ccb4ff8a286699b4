// How far a long command has come, on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "app/cli.h"

namespace sealstream {

/// On a terminal one line that is written over, twice a second at most, with rate and time left; elsewhere a
/// JSON line every ten seconds. A command that ends sooner says nothing. Borrows the terminal.
class Progress {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  Progress(const Terminal& terminal, std::string task, Clock clock = std::chrono::steady_clock::now);
  /// Wipes the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `all` steps are behind us; `now` is done next.
  void at(std::int64_t done, std::int64_t all, std::string now);
  /// Says it again where that is due: call it often.
  void tick();

 private:
  void say();

  const Terminal& terminal_;
  const std::string task_;
  const Clock clock_;
  const std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point due_;
  std::int64_t done_ = 0;
  std::int64_t all_ = 0;
  std::string now_;
  bool line_is_open_ = false;
};

}  // namespace sealstream
