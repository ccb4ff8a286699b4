// Goal: the schema goes up and down a step at a time, whoever applied it before; an edited, doubled or broken
// migration is refused and leaves nothing behind.
// Method: a real database that plain SQL brought up, taken down and up again as audit_migrator.
#include "postgres/migrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "postgres/ledger.h"
#include "postgres/test_database.h"

namespace sealstream {
namespace {

const auto kIgnore = [](const std::string&) {};

class MigrateTest : public testing::Test {
 protected:
  Migrator migrator(std::vector<Migration> migrations = embedded_migrations()) {
    return {database_.as("audit_migrator"), std::move(migrations)};
  }
  void take_all_down() {
    auto migrator = this->migrator();
    while (migrator.down()) {
    }
  }
  std::string up_error(std::vector<Migration> migrations) {
    try {
      migrator(std::move(migrations)).up(kIgnore);
    } catch (const MigrationError& error) {
      return error.what();
    }
    return "nothing";
  }
  std::string value(const std::string& sql) { return database_.superuser().value(sql); }

  TestDatabase database_;
  const int newest_ = known_schema_version();
};

TEST_F(MigrateTest, GoesDownToNothingAndUpAgainStepByStep) {
  take_all_down();
  EXPECT_EQ(value("SELECT to_regclass('audit.ledger') IS NULL"), "t");
  std::vector<std::string> applied;
  migrator().up([&](const std::string& name) { applied.push_back(name); });
  EXPECT_EQ(applied.size(), static_cast<std::size_t>(newest_));
  EXPECT_EQ(applied.front(), "0001_schema");
  EXPECT_EQ(value("SELECT audit.schema_version()"), std::to_string(newest_));
  EXPECT_EQ(value("SELECT version || ' ' || dirty FROM audit.schema_migrations"),
            std::to_string(newest_) + " false");
  EXPECT_EQ(value("SELECT count(*) FROM audit.migration_checksums"), std::to_string(newest_));
  EXPECT_EQ(value("SELECT tableowner FROM pg_tables WHERE schemaname = 'audit' AND tablename = 'ledger'"),
            "audit_owner");
}

TEST_F(MigrateTest, UpChangesNothingWhereNothingIsMissing) {
  int applied = 0;
  migrator().up([&](const std::string&) { ++applied; });
  EXPECT_EQ(applied, 0);
}

TEST_F(MigrateTest, StatusTellsWhatIsApplied) {
  migrator().down();
  const auto status = migrator().status();
  EXPECT_EQ(status.version, newest_ - 1);
  EXPECT_FALSE(status.dirty);
  ASSERT_EQ(status.migrations.size(), static_cast<std::size_t>(newest_));
  EXPECT_TRUE(status.migrations.front().applied);
  EXPECT_FALSE(status.migrations.back().applied);
  EXPECT_EQ(status.migrations.back().applied_at, "");
  migrator().up(kIgnore);
  EXPECT_TRUE(migrator().status().migrations.back().applied_at.ends_with("Z"));
}

TEST_F(MigrateTest, RefusesAMigrationThatWasEditedAfterItWasApplied) {
  take_all_down();
  migrator().up(kIgnore);
  auto edited = embedded_migrations();
  edited[1].up += "-- a word more";
  EXPECT_EQ(
      up_error(edited),
      "migration 0002_ledger was edited after it was applied: restore the file, and add a new migration");
  EXPECT_TRUE(migrator(edited).status().migrations[1].edited);
}

TEST_F(MigrateTest, AMigrationThatFailsLeavesNothingBehindAndNamesItsFile) {
  auto broken = embedded_migrations();
  broken.push_back({newest_ + 1, "0099_broken",
                    "SET LOCAL ROLE audit_owner; CREATE TABLE audit.half (a int); SELECT 1/0", "SELECT 1"});
  EXPECT_EQ(up_error(broken), "0099_broken.up.sql: division by zero (22012)");
  EXPECT_EQ(value("SELECT to_regclass('audit.half') IS NULL"), "t");
  EXPECT_EQ(migrator().status().version, newest_);
}

TEST_F(MigrateTest, RefusesADatabaseThatIsNewer) {
  auto older = embedded_migrations();
  older.pop_back();
  EXPECT_EQ(up_error(older), "the database has schema version " + std::to_string(newest_) +
                                 ", these migrations end at " + std::to_string(newest_ - 1) +
                                 ": use a newer sealstream");
}

TEST_F(MigrateTest, RefusesWhatGolangMigrateLeftHalfDone) {
  database_.superuser().run("INSERT INTO audit.schema_migrations VALUES (4, true)");
  EXPECT_TRUE(up_error(embedded_migrations()).starts_with("golang-migrate failed halfway"));
}

TEST_F(MigrateTest, TwoAtATimeApplyEachMigrationOnce) {
  take_all_down();
  std::atomic<int> applied = 0;
  const auto go = [&] { migrator().up([&](const std::string&) { ++applied; }); };
  std::thread other(go);
  go();
  other.join();
  EXPECT_EQ(applied, newest_);
  EXPECT_EQ(value("SELECT audit.schema_version()"), std::to_string(newest_));
}

TEST_F(MigrateTest, RefusesALoginWithoutTheOwnersRights) {
  Migrator as_writer(database_.as("audit_writer"), embedded_migrations());
  try {
    as_writer.down();
    FAIL() << "the writer took a migration back";
  } catch (const LedgerError& error) {
    EXPECT_EQ(error.fault(), LedgerFault::misconfigured);
  }
}

TEST_F(MigrateTest, TheLedgersCheckAsksForTheMigration) {
  const auto check = [&] {
    try {
      PostgresLedger(database_.as("audit_writer"), newest_, [] {}).check();
    } catch (const LedgerError& error) {
      EXPECT_EQ(error.fault(), LedgerFault::misconfigured);
      return std::string(error.what());
    }
    return std::string("fine");
  };
  EXPECT_EQ(check(), "fine");
  migrator().down();
  EXPECT_EQ(check(), "the database has schema version " + std::to_string(newest_ - 1) +
                         ", this sealstream needs " + std::to_string(newest_) +
                         ": run `sealstream migrate up`");
  take_all_down();
  EXPECT_TRUE(check().ends_with("run `sealstream migrate up`")) << check();
  database_.superuser().run("DROP SCHEMA audit CASCADE");
  EXPECT_TRUE(check().ends_with("run `sealstream migrate up`")) << check();
}

TEST(Migrations, NeedPostgreSQL15) {
  const auto refusal = [](int server_version_num) -> std::string {
    try {
      require_server_version(server_version_num);
    } catch (const MigrationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(140'022), "PostgreSQL 15 or newer is needed; this server is version 14");
  EXPECT_EQ(refusal(90'624), "PostgreSQL 15 or newer is needed; this server is version 9");
  EXPECT_EQ(refusal(150'000), "");
  EXPECT_EQ(refusal(180'001), "");
}

TEST(Migrations, TheBinaryHoldsTheFilesOfTheDirectory) {
  const auto embedded = embedded_migrations();
  const auto files = read_migrations(SEALSTREAM_SOURCE_DIR "/migrations");
  ASSERT_EQ(embedded.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(embedded[i].name, files[i].name);
    EXPECT_EQ(embedded[i].up, files[i].up);
    EXPECT_EQ(embedded[i].down, files[i].down);
  }
}

class MigrationFiles : public testing::Test {
 protected:
  MigrationFiles() {
    directory_ = std::filesystem::temp_directory_path() / ("migrations-" + std::to_string(::getpid()));
    std::filesystem::create_directory(directory_);
  }
  ~MigrationFiles() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& name) { std::ofstream(directory_ / name) << "SELECT 1;"; }
  std::string error() {
    try {
      read_migrations(directory_.string());
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing";
  }

  std::filesystem::path directory_;
};

TEST_F(MigrationFiles, AGapIsRefused) {
  for (const char* name : {"0001_a.up.sql", "0001_a.down.sql", "0003_c.up.sql", "0003_c.down.sql"})
    write(name);
  EXPECT_EQ(error(), "migration 0003_c does not follow version 1");
}

TEST_F(MigrationFiles, AMissingHalfIsRefused) {
  write("0001_a.up.sql");
  EXPECT_EQ(error(), "migration 0001_a lacks its down file");
}

TEST_F(MigrationFiles, NoneAtAllIsRefused) { EXPECT_EQ(error(), "there are no migrations"); }

TEST_F(MigrationFiles, OtherFilesAreIgnored) {
  for (const char* name : {"0001_a.up.sql", "0001_a.down.sql", "README.sql", "notes.txt"}) write(name);
  EXPECT_EQ(error(), "nothing");
}

}  // namespace
}  // namespace sealstream
