#include "postgres/migrate.h"

#include <chrono>
#include <utility>

#include "ingest/sabotage.h"
#include "postgres/classify.h"

namespace sealstream {
namespace {

constexpr int kOldestServer = 150'000;
constexpr const char* kLock =
    "SELECT pg_advisory_xact_lock(7310582116893204581)";  // any number, never another
constexpr std::chrono::hours kLongestStep{1};

ConnectionOptions patient(ConnectionOptions options) {
  options.answer_timeout = kLongestStep;
  return options;
}

}  // namespace

void require_server_version(int server_version_num) {
  if (server_version_num >= kOldestServer) return;
  throw MigrationError("PostgreSQL 15 or newer is needed; this server is version " +
                       std::to_string(server_version_num / 10'000));
}

Migrator::Migrator(ConnectionOptions options, std::vector<Migration> migrations)
    : connection_(patient(std::move(options)), [] {}), migrations_(std::move(migrations)) {}

void Migrator::open() {
  connection_.open();
  require_server_version(
      int4_at(connection_.run_one({"SELECT current_setting('server_version_num')::int"}), 0, 0));
}

/// Runs `step` in a transaction of its own, alone among all migrators.
template <class Step>
auto Migrator::in_transaction(Step step) {
  Phase phase = Phase::connect;
  try {
    open();
    phase = Phase::statements;
    connection_.run("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
    connection_.run(kLock);
    connection_.run("SET LOCAL lock_timeout = '30s'");
    auto result = step();
    connection_.run("COMMIT");
    return result;
  } catch (const DatabaseError& error) {
    connection_.rollback();
    throw to_ledger_error(error, phase);
  } catch (...) {
    connection_.rollback();
    throw;
  }
}

MigrationStatus Migrator::status() {
  return in_transaction([&] { return read_status(); });
}

void Migrator::up(const std::function<void(const std::string& name)>& applied) {
  for (;;) {
    const auto name = in_transaction([&]() -> std::optional<std::string> {
      const auto status = read_status();
      refuse_if_unsound(status);
      const auto next = static_cast<std::size_t>(status.version);
      if (next == migrations_.size()) return std::nullopt;
      run_file(migrations_[next].name + ".up.sql", migrations_[next].up);
      crash_point("mid_migration");
      remember(migrations_[next]);
      return migrations_[next].name;
    });
    if (!name) return;
    applied(*name);
  }
}

std::optional<std::string> Migrator::down() {
  return in_transaction([&]() -> std::optional<std::string> {
    const auto status = read_status();
    refuse_if_unsound(status);
    if (status.version == 0) return std::nullopt;
    const auto& newest = migrations_[static_cast<std::size_t>(status.version) - 1];
    run_file(newest.name + ".down.sql", newest.down);
    forget(newest);
    return newest.name;
  });
}

MigrationStatus Migrator::read_status() {
  MigrationStatus status;
  const auto found =
      connection_.run_one({"SELECT to_regprocedure('audit.schema_version()') IS NOT NULL,"
                           " to_regclass('audit.schema_migrations') IS NOT NULL,"
                           " to_regclass('audit.migration_checksums') IS NOT NULL"});
  if (bool_at(found, 0, 0)) {
    status.version = int4_at(connection_.run_one({"SELECT audit.schema_version()"}), 0, 0);
  }
  if (bool_at(found, 0, 1)) {
    const auto dirty =
        connection_.run_one({"SELECT coalesce(bool_or(dirty), false) FROM audit.schema_migrations"});
    status.dirty = bool_at(dirty, 0, 0);
  }
  for (const auto& migration : migrations_) {
    status.migrations.push_back(
        {migration.version, migration.name, migration.version <= status.version, false, ""});
  }
  if (bool_at(found, 0, 2)) read_checksums(status);
  return status;
}

void Migrator::read_checksums(MigrationStatus& status) {
  const auto rows = connection_.run_one(
      {"SELECT version, checksum, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
       " FROM audit.migration_checksums"});
  for (int row = 0; row < row_count(rows); ++row) {
    const auto version = int8_at(rows, row, 0);
    if (version < 1 || version > static_cast<std::int64_t>(migrations_.size())) continue;
    const auto place = static_cast<std::size_t>(version) - 1;
    auto& state = status.migrations[place];
    if (!state.applied) continue;
    state.edited = bytes_at(rows, row, 1) != as_bytes(checksum_of(migrations_[place]));
    state.applied_at = bytes_at(rows, row, 2);
  }
}

void Migrator::refuse_if_unsound(const MigrationStatus& status) const {
  if (status.dirty) {
    throw MigrationError(
        "golang-migrate failed halfway (schema_migrations is dirty): repair the schema, then `migrate "
        "force`");
  }
  if (status.version > static_cast<int>(migrations_.size())) {
    throw MigrationError("the database has schema version " + std::to_string(status.version) +
                         ", these migrations end at " + std::to_string(migrations_.size()) +
                         ": use a newer sealstream");
  }
  for (const auto& state : status.migrations) {
    if (state.edited) {
      throw MigrationError("migration " + state.name +
                           " was edited after it was applied: restore the file, and add a new migration");
    }
  }
}

void Migrator::run_file(const std::string& file, const std::string& sql) {
  try {
    connection_.run(sql);
  } catch (const DatabaseError& error) {
    throw MigrationError(file + ": " + error.what() +
                         (error.sqlstate().empty() ? "" : " (" + error.sqlstate() + ")"));
  }
}

void Migrator::remember(const Migration& migration) {
  write_version(migration.version);
  connection_.run_one(
      {"INSERT INTO audit.migration_checksums (version, name, checksum) VALUES ($1, $2, $3)"
       " ON CONFLICT (version) DO UPDATE"
       " SET name = excluded.name, checksum = excluded.checksum, applied_at = now()",
       {Parameter::int8(migration.version), Parameter::text(migration.name),
        Parameter::bytea(as_bytes(checksum_of(migration)))}});
}

void Migrator::forget(const Migration& migration) {
  write_version(migration.version - 1);
  connection_.run_one(
      {"DELETE FROM audit.migration_checksums WHERE version >= $1", {Parameter::int8(migration.version)}});
}

/// As golang-migrate does: one row, or none.
void Migrator::write_version(int version) {
  connection_.run("DELETE FROM audit.schema_migrations");
  if (version == 0) return;
  connection_.run_one({"INSERT INTO audit.schema_migrations (version, dirty) VALUES ($1, false)",
                       {Parameter::int8(version)}});
}

}  // namespace sealstream
