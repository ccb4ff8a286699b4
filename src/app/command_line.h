// The grammar of the command line: commands, their options, their help.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/cli.h"
#include "app/commands.h"

namespace CLI {
class App;
}

namespace sealstream {

/// The command line is not understood; what() says what is meant perhaps, and where the help is.
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One parse of one command line.
class CommandLine {
 public:
  CommandLine(const Environment& environment, const Terminal& terminal);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// Does what `words` (without the program's name) ask and returns its exit code. Throws UsageError, and
  /// what the command throws.
  int run(const std::vector<std::string>& words);

 private:
  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& summary,
                    const std::vector<std::string>& examples, std::function<int()> work);
  void add_run();
  void add_check_config();
  void add_print_config();
  void add_migrate();
  void add_verify();
  void add_quarantine();
  void add_anomalies();
  void add_anomalies_list(CLI::App& anomalies);
  void add_erase();
  void add_publishing(CLI::App& sub);
  void add_offsets();
  void add_rebuild();
  void add_status();
  void add_version();
  [[noreturn]] void explain(const std::vector<std::string>& strangers) const;
  Config config() const;

  const Environment& environment_;
  const Terminal& terminal_;
  std::unique_ptr<CLI::App> app_;
  std::string config_file_;
  bool json_ = false;
  std::function<int()> chosen_;
  CheckConfigRequest check_config_;
  PrintConfigRequest print_config_;
  MigrateDownRequest migrate_down_;
  VerifyRequest verify_;
  QuarantineListRequest quarantine_list_;
  RebuildRequest rebuild_;
  std::string place_;
  AnomaliesListRequest anomalies_list_;
  std::string anomaly_id_;
  EraseRequest erase_;
  OffsetsResetRequest offsets_reset_;
  PublishRequest publish_;
};

}  // namespace sealstream
