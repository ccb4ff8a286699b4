#include "app/config_error.h"

#include <utility>

namespace sealstream {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

}  // namespace

std::string Origin::text() const {
  if (!environment.empty()) return "environment " + environment;
  if (file.empty()) return "default";
  return line == 0 ? file : file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError::ConfigError(std::vector<std::string> findings)
    : std::runtime_error(joined(findings)), findings_(std::move(findings)) {}

}  // namespace sealstream
