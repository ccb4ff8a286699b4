// verify: reads the ledger as audit_auditor and says what verify.h makes of it.
#include <filesystem>
#include <optional>
#include <ostream>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/keyring_file.h"
#include "app/moment.h"
#include "app/progress.h"
#include "app/verify.h"
#include "sealstream/core/secrets.h"

namespace sealstream {

int verify_command(const Config& config, const VerifyRequest& request, const Terminal& terminal) {
  VerifyOptions options{.tenant = request.tenant,
                        .since = std::nullopt,
                        .chain_only = request.chain_only,
                        .workers = request.workers};
  if (!request.since.empty()) {
    options.since = parse_moment(request.since);
    if (!options.since)
      throw UsageError("--since: allowed: a moment in UTC, for example 2026-11-01T00:00:00Z");
  }
  std::optional<Keyring> keyring;
  if (std::filesystem::exists(config.keyring_file)) {
    keyring = read_keyring(config.keyring_file);
  } else {
    terminal.err << "warning: " << without_secrets(config.keyring_file)
                 << " is not there: personal values are not opened\n";
  }
  const ConnectionOptions auditor = connection_options(config.postgres, config.postgres.auditor);
  LedgerReader reader(auditor);
  VerifyReport report = [&] {
    Progress progress(terminal, "verify");
    return verify(reader, keyring ? &*keyring : nullptr, options,
                  [&](std::int64_t rows, std::int64_t all) { progress.at(rows, all, "rows"); });
  }();
  if (request.read_models) {
    Connection connection(patient(auditor), [] {});
    add_read_models(report,
                    check_read_models(connection, {.snapshot = reader.snapshot(), .tenant = request.tenant}));
  }
  terminal.out << (request.json ? report_json(report) : report_text(report));
  return exit_code(report.verdict);
}

}  // namespace sealstream
