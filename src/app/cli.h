// The command line: what was asked for, and who does it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "app/settings.h"

namespace sealstream {

/// Where a command's answer goes, and what it may know of its surroundings.
struct Terminal {
  std::ostream& out;   ///< data
  std::ostream& err;   ///< messages
  bool color = false;  ///< err is a terminal and NO_COLOR is not set
  bool live = false;   ///< err is a terminal
};

/// Runs the command that `words` name (without the program's name) and returns its exit code (exit_codes.h).
/// Throws nothing.
int run_cli(const std::vector<std::string>& words, const Environment& environment, const Terminal& terminal);

}  // namespace sealstream
