#include "app/config_error.h"

#include <algorithm>
#include <utility>

#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

/// A file may hold anything, and a finding names what it holds.
const std::vector<std::string>& harmless(std::vector<std::string>& lines) {
  for (std::string& line : lines) {
    line = without_secrets(line);
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  }
  return lines;
}

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
    : std::runtime_error(joined(harmless(findings))), findings_(std::move(findings)) {}

}  // namespace sealstream
