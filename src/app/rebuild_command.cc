// rebuild read-models: says what differs from the ledger, or mends it, as audit_rebuilder.
#include <ostream>

#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/progress.h"
#include "postgres/read_model_check.h"
#include "postgres/read_model_rebuild.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {
namespace {

std::optional<ReadModel> model_named(const std::string& wanted) {
  for (const ReadModel model : kReadModels) {
    if (name(model) == wanted) return model;
  }
  return std::nullopt;
}

/// What a table would become, or became.
struct Line {
  std::string_view table;
  std::int64_t added;
  std::int64_t changed;
  std::int64_t removed;
  std::int64_t rows = -1;      ///< now; -1 where it was not counted
  std::int64_t expected = -1;  ///< from the ledger
};

std::vector<Line> what_would_be_done(Connection& connection, const RebuildOptions& options) {
  const ReadModelCheck check =
      check_read_models(connection, {.tenant = options.tenant, .model = options.model, .named = 0});
  if (!check.obstacle.empty()) throw LedgerError(LedgerFault::misconfigured, "", "", check.obstacle);
  std::vector<Line> lines;
  for (const ReadModelCounts& table : check.counts) {
    lines.push_back(
        {table.table->name, table.missing, table.different, table.unexpected, table.stored, table.expected});
  }
  return lines;
}

std::vector<Line> done(const std::vector<RebuiltTable>& tables) {
  std::vector<Line> lines;
  for (const RebuiltTable& table : tables)
    lines.push_back({table.table->name, table.added, table.changed, table.removed});
  return lines;
}

void print(const std::vector<Line>& lines, std::size_t tenants, const RebuildRequest& request,
           std::ostream& out) {
  if (!request.json) {
    for (const Line& line : lines) {
      out << line.table << ": " << line.added << " rows " << (request.execute ? "" : "to be ") << "added, "
          << line.changed << " changed, " << line.removed << " removed";
      if (line.rows >= 0) out << " (" << line.rows << " now, " << line.expected << " from the ledger)";
      out << "\n";
    }
    return;
  }
  JsonWriter json;
  json.begin_object()
      .member("executed", request.execute)
      .member("tenants", tenants)
      .key("tables")
      .begin_array();
  for (const Line& line : lines) {
    json.begin_object().member("table", line.table).member("added", line.added);
    json.member("changed", line.changed).member("removed", line.removed);
    if (line.rows >= 0) json.member("rows", line.rows).member("rows_from_ledger", line.expected);
    json.end_object();
  }
  out << json.end_array().end_object().text() << "\n";
}

}  // namespace

int rebuild_read_models_command(const Config& config, const RebuildRequest& request,
                                const Terminal& terminal) {
  Progress progress(terminal, "rebuild read-models");
  Connection connection(patient(connection_options(config.postgres, config.postgres.rebuilder)),
                        [&] { progress.tick(); });
  const RebuildOptions options{request.tenant, model_named(request.model)};
  const std::size_t tenants = tenants_to_rebuild(connection, options).size();
  if (!request.execute) {
    print(what_would_be_done(connection, options), tenants, request, terminal.out);
    if (!request.json)
      terminal.err << "Nothing was done, in " << tenants << " tenants. With --execute it is.\n";
    return kExitOk;
  }
  const std::int64_t models = options.model ? 1 : std::ssize(kReadModels);
  std::int64_t begun = 0;
  const auto tables = rebuild_read_models(connection, options, [&](const RebuildStep& step) {
    progress.at(begun++, step.tenants * models,
                std::string(name(step.model)) + " of tenant " + std::to_string(step.tenant) + " of " +
                    std::to_string(step.tenants));
  });
  print(done(tables), tenants, request, terminal.out);
  return kExitOk;
}

}  // namespace sealstream
