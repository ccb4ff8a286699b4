// The logging port: one line an event, limited, with nothing in it that is secret or unbounded.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "sealstream/core/ids.h"

namespace sealstream {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
std::string_view name(LogLevel level);
/// Precondition: `text` is the name of a level.
LogLevel log_level(std::string_view text);

enum class LogFormat : std::uint8_t { json, human };

/// What a line may carry beside its message.
struct LogFields {
  std::string_view topic{};
  std::optional<Partition> partition{};
  std::optional<Offset> offset{};
  std::string_view error_code{};  ///< an SQLSTATE, or librdkafka's name of an error
};

/// Takes finished lines, without their end. Must be thread-safe.
using LogSink = std::function<void(LogLevel, const std::string& line)>;

/// Lines on stderr through spdlog, coloured by level where `color`.
LogSink stderr_sink(bool color);

/// Thread-safe. Of one event at most kLinesPerWindow lines a window are written; the rest is counted, and the
/// count follows. Payloads, keys and connection strings must not be passed in; what librdkafka, libpq and a
/// server say may be, since secrets are replaced. Control characters are escaped.
class Log {
 public:
  static constexpr int kLinesPerWindow = 10;
  static constexpr std::chrono::seconds kWindow{10};

  struct Options {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::json;
    std::function<void(std::size_t)> on_suppressed = [](std::size_t) {};  ///< hears of every line left out
    std::function<std::chrono::system_clock::time_point()> clock = std::chrono::system_clock::now;
  };

  Log(Options options, LogSink sink);

  /// `event` is a word from the code, never from data; `message` a sentence.
  void write(LogLevel level, std::string_view event, std::string_view message, const LogFields& fields = {});

  /// From now on. Thread-safe.
  void set_level(LogLevel level) { level_ = level; }

  /// Writes the counts of what was left out in windows that are over; call it every window.
  void flush_suppressed();

 private:
  using Time = std::chrono::system_clock::time_point;
  struct Window {
    Time begin;
    int lines = 0;
    std::size_t suppressed = 0;
    LogLevel level = LogLevel::info;
  };

  std::string line(Time now, LogLevel level, std::string_view event, std::string_view message,
                   const LogFields& fields, std::size_t suppressed) const;

  const Options options_;
  std::atomic<LogLevel> level_;
  const LogSink sink_;
  std::mutex mutex_;
  std::map<std::string, Window, std::less<>> windows_;  ///< by event: bounded by the words in the code
};

}  // namespace sealstream
