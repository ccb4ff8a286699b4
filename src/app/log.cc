#include "app/log.h"

#include <cassert>

#include "app/json_writer.h"
#include "app/moment.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

}  // namespace

std::string_view name(LogLevel level) { return kLevelNames[static_cast<std::size_t>(level)]; }

LogLevel log_level(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (kLevelNames[i] == text) return static_cast<LogLevel>(i);
  }
  assert(false && "no level of that name");
  return LogLevel::info;
}

Log::Log(Options options, LogSink sink)
    : options_(std::move(options)), level_(options_.level), sink_(std::move(sink)) {}

void Log::write(LogLevel level, std::string_view event, std::string_view message, const LogFields& fields) {
  if (level < level_) return;
  const Time now = options_.clock();
  std::size_t suppressed = 0;
  {
    const std::lock_guard lock(mutex_);
    auto found = windows_.find(event);
    if (found == windows_.end()) found = windows_.emplace(event, Window{.begin = now}).first;
    Window& window = found->second;
    if (now - window.begin >= kWindow) {
      suppressed = window.suppressed;
      window = Window{.begin = now};
    }
    window.level = level;
    if (++window.lines > kLinesPerWindow) {
      ++window.suppressed;
      options_.on_suppressed(1);
      return;
    }
  }
  sink_(level, line(now, level, event, without_secrets(message), fields, suppressed));
}

void Log::flush_suppressed() {
  const Time now = options_.clock();
  std::vector<std::pair<LogLevel, std::string>> lines;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [event, window] : windows_) {
      if (window.suppressed == 0 || now - window.begin < kWindow) continue;
      lines.emplace_back(window.level, line(now, window.level, event, "lines of this event were left out", {},
                                            window.suppressed));
      window = Window{.begin = now};
    }
  }
  for (const auto& [level, text] : lines) sink_(level, text);
}

std::string Log::line(Time now, LogLevel level, std::string_view event, std::string_view message,
                      const LogFields& fields, std::size_t suppressed) const {
  const std::string moment = moment_text(std::chrono::time_point_cast<std::chrono::milliseconds>(now));
  if (options_.format == LogFormat::human) {
    std::string text =
        moment + " " + std::string(name(level)) + " " + printable(event) + ": " + printable(message);
    if (!fields.topic.empty()) text += " topic=" + printable(fields.topic);
    if (fields.partition) text += " partition=" + std::to_string(fields.partition->value());
    if (fields.offset) text += " offset=" + std::to_string(fields.offset->value());
    if (!fields.error_code.empty()) text += " error_code=" + printable(fields.error_code);
    if (suppressed > 0) text += " suppressed=" + std::to_string(suppressed);
    return text;
  }
  JsonWriter json;
  json.begin_object();
  json.member("ts", moment).member("level", name(level)).member("event", event).member("msg", message);
  if (!fields.topic.empty()) json.member("topic", fields.topic);
  if (fields.partition) json.member("partition", static_cast<std::int64_t>(fields.partition->value()));
  if (fields.offset) json.member("offset", fields.offset->value());
  if (!fields.error_code.empty()) json.member("error_code", fields.error_code);
  if (suppressed > 0) json.member("suppressed", suppressed);
  return json.end_object().text();
}

}  // namespace sealstream
