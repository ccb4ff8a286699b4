// migrate up, status, down: the schema, as audit_migrator.
#include <ostream>

#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "postgres/migrate.h"

namespace sealstream {
namespace {

Migrator migrator(const Config& config) {
  return {connection_options(config.postgres, config.postgres.migrator), embedded_migrations()};
}

std::string_view state_of(const MigrationState& migration) {
  if (migration.edited) return "edited";
  return migration.applied ? "applied" : "missing";
}

std::string status_json(const MigrationStatus& status) {
  JsonWriter json;
  json.begin_object().member("version", status.version).member("dirty", status.dirty);
  json.member("known_version", known_schema_version()).key("migrations").begin_array();
  for (const MigrationState& migration : status.migrations) {
    json.begin_object().member("version", migration.version).member("name", migration.name);
    json.member("state", state_of(migration));
    json.key("applied_at");
    migration.applied_at.empty() ? json.null() : json.value(migration.applied_at);
    json.end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

/// The newest migration that is applied, or null.
const MigrationState* newest(const MigrationStatus& status) {
  const MigrationState* found = nullptr;
  for (const MigrationState& migration : status.migrations) {
    if (migration.applied) found = &migration;
  }
  return found;
}

}  // namespace

int migrate_up_command(const Config& config, bool json, const Terminal& terminal) {
  Migrator schema = migrator(config);
  JsonWriter applied;
  applied.begin_array();
  schema.up([&](const std::string& name) {
    applied.value(name);
    terminal.err << "applied " << name << "\n";
  });
  applied.end_array();
  const int version = schema.status().version;
  if (json) {
    JsonWriter writer;
    writer.begin_object().key("applied").raw(applied.text()).member("version", version).end_object();
    terminal.out << writer.text() << "\n";
  } else {
    terminal.out << "schema version " << version << "\n";
  }
  return kExitOk;
}

int migrate_status_command(const Config& config, bool json, const Terminal& terminal) {
  const MigrationStatus status = migrator(config).status();
  if (json) {
    terminal.out << status_json(status);
  } else {
    terminal.out << "schema version " << status.version << " of " << known_schema_version()
                 << (status.dirty ? ", dirty: a migration failed halfway" : "") << "\n";
    for (const MigrationState& migration : status.migrations) {
      terminal.out << migration.name << "  " << state_of(migration)
                   << (migration.applied_at.empty() ? "" : "  " + migration.applied_at) << "\n";
    }
  }
  const bool sound = status.version == known_schema_version() && !status.dirty;
  return sound ? kExitOk : kExitNo;
}

int migrate_down_command(const Config& config, const MigrateDownRequest& request, const Terminal& terminal) {
  Migrator schema = migrator(config);
  std::string name;
  if (request.execute) {
    name = schema.down().value_or("");
  } else if (const MigrationStatus status = schema.status(); const MigrationState* last = newest(status)) {
    name = last->name;
  }
  if (request.json) {
    JsonWriter writer;
    writer.begin_object().key("taken_back");
    name.empty() ? writer.null() : writer.value(name);
    terminal.out << writer.member("executed", request.execute).end_object().text() << "\n";
  } else if (name.empty()) {
    terminal.out << "no migration is applied\n";
  } else {
    terminal.out << (request.execute ? "taken back: " : "would be taken back: ") << name << "\n";
    if (!request.execute) terminal.err << "Nothing was done. With --execute it is, and its data are gone.\n";
  }
  return kExitOk;
}

}  // namespace sealstream
