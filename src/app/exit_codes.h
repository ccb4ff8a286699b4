// What every command exits with. The help text prints this table; 64 and above are those of sysexits.h.
#pragma once

#include <array>
#include <string_view>

namespace sealstream {

inline constexpr int kExitOk = 0;
inline constexpr int kExitNo = 1;
inline constexpr int kExitIncomplete = 2;
inline constexpr int kExitUndecidable = 3;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitBug = 70;
inline constexpr int kExitConfig = 78;

struct ExitCode {
  int code;
  std::string_view meaning;
};

inline constexpr std::array kExitCodes = {
    ExitCode{kExitOk,
             "done; verify: intact; check-config, status, offsets show, migrate status: nothing wrong"},
    ExitCode{kExitNo,
             "the answer is no; verify: tampered; run: could not commit all in hand in time; what publishes: "
             "published, but not sealed in time"},
    ExitCode{kExitIncomplete, "verify: incomplete, counters or read models and rows disagree"},
    ExitCode{kExitUndecidable, "verify: undecidable, something that is needed is absent"},
    ExitCode{kExitUsage, "wrong command line"},
    ExitCode{kExitUnavailable, "PostgreSQL or Kafka did not answer, or refused"},
    ExitCode{kExitBug, "a bug in sealstream"},
    ExitCode{kExitConfig, "wrong configuration, keyring or password file"},
};

}  // namespace sealstream
