// The only file that includes spdlog.
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "app/log.h"

namespace sealstream {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

LogSink stderr_sink(bool color) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  if (color) {
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  const auto logger = std::make_shared<spdlog::logger>("sealstream", sink);
  logger->set_pattern(color ? "%^%v%$" : "%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return [logger](LogLevel level, const std::string& line) {
    logger->log(level_of(level), spdlog::string_view_t(line));
  };
}

}  // namespace sealstream
