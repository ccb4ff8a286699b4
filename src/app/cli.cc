#include "app/cli.h"

#include <functional>
#include <ostream>

#include "app/command_line.h"
#include "app/exit_codes.h"
#include "postgres/database_error.h"
#include "postgres/migrate.h"
#include "sealstream/core/secrets.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/source.h"

namespace sealstream {
namespace {

int complain(const Terminal& terminal, int code, const std::string& sentence) {
  terminal.err << (terminal.color ? "\033[31merror:\033[0m " : "error: ") << without_secrets(sentence)
               << "\n";
  return code;
}

/// Runs `work` and turns what the world did wrong into a message and an exit code.
int guarded(const Terminal& terminal, const std::function<int()>& work) {
  try {
    const int code = work();
    terminal.out.flush();
    if (!terminal.out)
      return complain(terminal, kExitBug, "the answer could not be written to standard output");
    return code;
  } catch (const ConfigError& error) {
    for (const std::string& finding : error.findings()) complain(terminal, kExitConfig, finding);
    return kExitConfig;
  } catch (const UsageError& error) {
    return complain(terminal, kExitUsage, error.what());
  } catch (const LedgerError& error) {
    return complain(terminal, kExitUnavailable, std::string("PostgreSQL: ") + error.what());
  } catch (const DatabaseError& error) {
    return complain(terminal, kExitUnavailable, std::string("PostgreSQL: ") + error.what());
  } catch (const MigrationError& error) {
    return complain(terminal, kExitNo, error.what());
  } catch (const SourceError& error) {
    return complain(terminal, kExitUnavailable, std::string("Kafka: ") + error.what());
  } catch (const std::exception& error) {
    return complain(terminal, kExitBug, std::string("this is a bug: ") + error.what());
  }
}

}  // namespace

int run_cli(const std::vector<std::string>& words, const Environment& environment, const Terminal& terminal) {
  return guarded(terminal, [&] {
    CommandLine line(environment, terminal);
    return line.run(words);
  });
}

}  // namespace sealstream
