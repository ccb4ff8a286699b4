// Brings the schema of a database to a version, and says where it stands (design: database.md, "Migrations").
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "postgres/migrations.h"

namespace sealstream {

/// The database cannot be migrated as asked; what() is a sentence for the operator. Nothing of the step that
/// failed took effect; the steps before it did.
class MigrationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct MigrationState {
  int version;
  std::string name;
  bool applied;
  bool edited;             ///< its up file is not the one that was applied
  std::string applied_at;  ///< RFC 3339 in UTC; empty where psql or golang-migrate applied it
};

struct MigrationStatus {
  int version = 0;     ///< of the database: audit.schema_version(), 0 before the first
  bool dirty = false;  ///< golang-migrate failed halfway
  std::vector<MigrationState> migrations;
};

/// Throws MigrationError below PostgreSQL 15: views with security_invoker, which read with the rights of
/// whoever asks, are not older. `server_version_num` as the server shows it: 150005 is 15.5.
void require_server_version(int server_version_num);

/// Works as audit_migrator. Each step is one transaction under an advisory lock of that transaction, so it
/// goes through a transaction pooler, and two at a time do one after the other. Keeps golang-migrate's table
/// schema_migrations as golang-migrate would, and a checksum of each file beside it. Throws MigrationError,
/// or LedgerError where the database is away or refuses the login or the rights. Not thread-safe.
class Migrator {
 public:
  Migrator(ConnectionOptions options, std::vector<Migration> migrations);

  MigrationStatus status();
  /// Applies all that are missing; `applied` is told each name once it is committed.
  void up(const std::function<void(const std::string& name)>& applied);
  /// Takes the newest one back and returns its name; nothing where none is applied.
  std::optional<std::string> down();

 private:
  void open();
  template <class Step>
  auto in_transaction(Step step);
  MigrationStatus read_status();
  void read_checksums(MigrationStatus& status);
  void refuse_if_unsound(const MigrationStatus& status) const;
  void run_file(const std::string& file, const std::string& sql);
  void remember(const Migration& migration);
  void forget(const Migration& migration);
  void write_version(int version);

  Connection connection_;
  std::vector<Migration> migrations_;
};

}  // namespace sealstream
