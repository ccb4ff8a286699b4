// What is wrong with a configuration, as sentences for the person who wrote it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace sealstream {

/// Where a value was given: a place in a file, or an environment variable, or nowhere (a default).
struct Origin {
  std::string file;
  int line = 0;    ///< from 1
  int column = 0;  ///< from 1
  std::string environment;

  bool is_default() const { return file.empty() && environment.empty(); }
  /// "sealstream.yaml:7:3", "environment SEALSTREAM__KAFKA__BROKERS", or "default".
  std::string text() const;
};

/// The configuration, the keyring or a password file cannot be used. Each finding is a line of its own:
/// where, the key, what is wrong and what is allowed. No finding echoes a secret or the value of an unknown
/// key, and none holds a control character.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(std::vector<std::string> findings);
  explicit ConfigError(const std::string& finding) : ConfigError(std::vector<std::string>{finding}) {}
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  std::vector<std::string> findings_;
};

}  // namespace sealstream
