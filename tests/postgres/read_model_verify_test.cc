// Goal: whatever is changed in a read model, `verify --read-models` names it, `rebuild read-models` mends it,
// and nothing personal is told; what an erasure took away is neither missed nor brought back. Method: a
// ledger whose read models were rebuilt, in a real database. The superuser changes them in every way; after
// each way a comparison as audit_auditor must name exactly that, and a rebuild as audit_rebuilder must leave
// no difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "app/read_model_report.h"
#include "postgres/read_model_ledger.h"

namespace sealstream {
namespace {

using testing::HasSubstr;

class ReadModelVerifyTest : public testing::Test {
 protected:
  /// Checks that the statement made exactly this many differences in that table, and returns them.
  std::vector<ReadModelDifference> differences_after(const std::string& table, const std::string& sql,
                                                     std::size_t many) {
    ledger_.run(sql);
    const ReadModelCheck check = ledger_.check({.model = model_of(table)});
    EXPECT_EQ(check.differences.size(), many) << sql << "\n" << read_model_text(check);
    EXPECT_EQ(check.difference_count(), std::int64_t(many));
    for (const ReadModelDifference& difference : check.differences)
      EXPECT_EQ(difference.table->name, table) << sql;
    return check.differences;
  }

  void mend(const std::string& table) {
    ledger_.rebuild({.model = model_of(table)});
    const ReadModelCheck check = ledger_.check({.model = model_of(table)});
    ASSERT_EQ(check.difference_count(), 0) << read_model_text(check);
  }

  static ReadModel model_of(const std::string& table) {
    for (const ReadModelTable& known : read_model_tables()) {
      if (known.name == table) return known.model;
    }
    throw std::invalid_argument(table);
  }

  /// Checks that an owner of the schema would drop as well.
  void drop_checks() {
    ledger_.run(
        "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid::regclass::text ~ '^audit.(usage|api_key)' LOOP"
        " EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$");
  }

  ReadModelLedger ledger_;
};

/// Another value of a type, in SQL.
std::string changed(const std::string& column, const std::string& type) {
  if (type == "text") return column + " || 'x'";
  if (type == "bigint" || type == "inet" || type == "numeric") return column + " + 1";
  if (type == "timestamp with time zone") return column + " + interval '1 microsecond'";
  if (type == "boolean") return "NOT " + column;
  if (type == "bytea") return "set_byte(" + column + ", 0, get_byte(" + column + ", 0) # 1)";
  if (type == "text[]" || type == "bytea[]") return "array_append(" + column + ", 'x')";
  if (type == "jsonb") return column + " || '{\"x\": 1}'";
  if (type == "uuid") return "gen_random_uuid()";
  throw std::invalid_argument("a column of type " + type + ": say how it is changed");
}

TEST_F(ReadModelVerifyTest, WhatWasRebuiltIsWhatTheLedgerSays) {
  const ReadModelCheck check = ledger_.check();
  ASSERT_EQ(check.difference_count(), 0) << read_model_text(check);
  ASSERT_EQ(check.counts.size(), read_model_tables().size());
  for (const ReadModelCounts& counts : check.counts) {
    EXPECT_GT(counts.stored, 0) << counts.table->name;
    EXPECT_EQ(counts.stored, counts.expected);
  }
  EXPECT_EQ(check.open_keys + check.open_anomalies, 0);
}

/// A column of the live catalogue, and how a row of acme that holds a value there gets another one.
struct LiveChange {
  std::string column;
  bool in_key = false;
  bool personal = false;
  std::string sql;
};

std::vector<LiveChange> live_changes(ReadModelLedger& ledger, const ReadModelTable& table) {
  const std::string name = "audit." + std::string(table.name);
  const std::string live =
      " FROM pg_attribute WHERE attrelid = '" + name +
      "'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum";
  const std::vector<std::string> columns = ledger.values("SELECT attname" + live);
  const std::vector<std::string> types = ledger.values("SELECT format_type(atttypid, NULL)" + live);
  std::vector<LiveChange> changes;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    LiveChange change;
    change.column = columns[i];
    for (const ReadModelColumn& key : table.key) change.in_key |= key.name == columns[i];
    for (const ReadModelColumn& column : table.columns)
      change.personal |= column.name == columns[i] && column.kind == ReadModelColumn::Kind::personal;
    change.sql = "UPDATE " + name + " SET " + columns[i] + " = " + changed(columns[i], types[i]) +
                 " WHERE ctid = (SELECT min(ctid) FROM " + name + " WHERE tenant_id = 'acme' AND " +
                 columns[i] + " IS NOT NULL)";
    changes.push_back(change);
  }
  return changes;
}

class ReadModelColumnsTest : public ReadModelVerifyTest, public testing::WithParamInterface<int> {};

TEST_P(ReadModelColumnsTest, AChangeOfAnyColumnOfTheLiveCatalogueIsNamed) {
  const ReadModelTable& table = read_model_tables()[std::size_t(GetParam())];
  const std::string name(table.name);
  const std::vector<LiveChange> changes = live_changes(ledger_, table);
  drop_checks();
  ledger_.run("CREATE TABLE saved AS TABLE audit." + name);
  std::string columns;
  for (const LiveChange& change : changes) columns += (columns.empty() ? "" : ", ") + change.column;
  for (const LiveChange& change : changes) {
    SCOPED_TRACE(name + "." + change.column);
    const auto found = differences_after(name, change.sql, change.in_key ? 2 : 1);
    if (change.in_key) {
      EXPECT_THAT((std::vector{found[0].kind, found[1].kind}),
                  testing::UnorderedElementsAre("missing", "unexpected"));
    } else {
      ASSERT_EQ(found[0].values.size(), 1u);
      const ReadModelDifference::Value& value = found[0].values[0];
      EXPECT_EQ(found[0].kind, "different");
      EXPECT_EQ(value.column, change.column);
      EXPECT_EQ(value.personal, change.personal);
      EXPECT_EQ(value.stored.has_value(), !change.personal);
      EXPECT_EQ(value.expected.has_value(), !change.personal);
    }
    ledger_.run("DELETE FROM audit." + name + "; INSERT INTO audit." + name + " (" + columns + ") SELECT " +
                columns + " FROM saved");
  }
  for (const LiveChange& change : changes) ledger_.run(change.sql);
  mend(name);
}

INSTANTIATE_TEST_SUITE_P(EveryTable, ReadModelColumnsTest, testing::Range(0, int(read_model_tables().size())),
                         [](const auto& table) {
                           return std::string(read_model_tables()[std::size_t(table.param)].name);
                         });

TEST_F(ReadModelVerifyTest, ARemovedRowIsMissingAndAForgedOneUnexpected) {
  for (const ReadModelTable& table : read_model_tables()) {
    const std::string name(table.name);
    const std::string one =
        " WHERE ctid = (SELECT min(ctid) FROM audit." + name + " WHERE tenant_id = 'acme')";
    EXPECT_EQ(differences_after(name, "DELETE FROM audit." + name + one, 1).at(0).kind, "missing");
    mend(name);
    std::string columns, values;
    for (const LiveChange& change : live_changes(ledger_, table)) {
      columns += (columns.empty() ? "" : ", ") + change.column;
      values += (values.empty() ? "" : ", ") + (change.column == "tenant_id" ? "'forged'" : change.column);
    }
    const auto found = differences_after(
        name,
        "INSERT INTO audit." + name + " (" + columns + ") SELECT " + values + " FROM audit." + name + one, 1);
    EXPECT_EQ(found.at(0).kind, "unexpected");
    EXPECT_THAT(found.at(0).key,
                testing::Contains(std::pair<std::string, std::string>("tenant_id", "forged")));
    mend(name);
  }
}

TEST_F(ReadModelVerifyTest, AnAnomalyIsResolvedByAnEventAndByNothingElse) {
  ASSERT_EQ(ledger_.value("SELECT string_agg(resolved_by, ',') FROM audit.api_key_anomalies WHERE resolved"),
            "u-sre");
  const auto resolved = differences_after(
      "api_key_anomalies",
      "UPDATE audit.api_key_anomalies SET resolved = true, resolved_at = now(), resolved_by = 'u-mallory'"
      " WHERE anomaly_type = 'high_request_rate'",
      1);
  EXPECT_EQ(resolved.at(0).values.size(), 3u);
  mend("api_key_anomalies");
  differences_after(
      "api_key_anomalies",
      "UPDATE audit.api_key_anomalies SET resolved = false, resolved_at = NULL, resolved_by = NULL", 1);
  mend("api_key_anomalies");
}

TEST_F(ReadModelVerifyTest, EmptiedModelsAreWrittenAgainFromNothing) {
  const ReadModelCheck before = ledger_.check();
  for (const ReadModelTable& table : read_model_tables())
    ledger_.run("DELETE FROM audit." + std::string(table.name));
  const ReadModelCheck emptied = ledger_.check();
  for (const RebuiltTable& table : ledger_.rebuild()) {
    EXPECT_GT(table.added, 0) << table.table->name;
    EXPECT_EQ(table.changed + table.removed, 0) << table.table->name;
  }
  const ReadModelCheck after = ledger_.check();
  EXPECT_EQ(after.difference_count(), 0) << read_model_text(after);
  for (std::size_t i = 0; i < before.counts.size(); ++i) {
    EXPECT_EQ(after.counts[i].stored, before.counts[i].stored);
    EXPECT_EQ(emptied.counts[i].missing, before.counts[i].stored);
  }
}

TEST_F(ReadModelVerifyTest, AnotherTenantAndAnotherModelAreLeftAlone) {
  ledger_.run(
      "UPDATE audit.usage_records SET requests = requests + 1; UPDATE audit.api_keys SET usage_count = 99");
  ledger_.rebuild({.tenant = "acme", .model = ReadModel::usage_records});
  const ReadModelCheck check = ledger_.check();
  for (const ReadModelDifference& left : check.differences) {
    const bool of_acme =
        testing::Value(left.key, testing::Contains(std::pair<std::string, std::string>("tenant_id", "acme")));
    EXPECT_EQ(of_acme, left.table->name == "api_keys");
  }
  EXPECT_EQ(ledger_.check({.tenant = "beta"}).difference_count(), 2);
  EXPECT_EQ(ledger_.check({.model = ReadModel::api_keys}).difference_count(), 2);
  EXPECT_EQ(ledger_.check({.tenant = "acme", .model = ReadModel::usage_records}).difference_count(), 0);
}

TEST_F(ReadModelVerifyTest, AThousandDifferencesAreNamedAndAllAreCounted) {
  ledger_.run(
      "INSERT INTO audit.usage_records SELECT tenant_id, department_id, user_id, provider, model, 'forged' "
      "|| n, time_bucket,"
      " requests, errors, input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, "
      "reasoning_tokens,"
      " cost_usd FROM (SELECT * FROM audit.usage_records LIMIT 1) AS one, generate_series(1, 1500) AS n");
  const ReadModelCheck check = ledger_.check();
  EXPECT_EQ(check.differences.size(), 1'000u);
  EXPECT_EQ(check.difference_count(), 1'500);
  EXPECT_THAT(read_model_text(check), HasSubstr("and 1480 more"));
}

}  // namespace
}  // namespace sealstream
