// Goal: whatever anyone with all rights changes in the ledger, `verify` finds it and names tenant, row and
// reason; and what it cannot check it does not call intact. Method: a ledger of sealed rows in a real
// database, over two leaves. The superuser, with all triggers off, tampers in every way; after each way a
// verification as audit_auditor must name exactly that row.
#include "app/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "postgres/sealed_ledger.h"

namespace sealstream {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class VerifyTest : public testing::Test {
 protected:
  static constexpr std::int64_t kFull = 5;   ///< acme's row in which every column is set
  static constexpr std::int64_t kPlain = 7;  ///< acme's row with few columns
  static constexpr std::int64_t kLast = 12;

  VerifyTest() {
    for (std::int64_t seq = 0; seq <= kLast; ++seq) {
      ledger_.append("acme", seq == kFull ? SealedLedger::full_event() : SealedLedger::plain_event());
      if (seq % 4 == 0) ledger_.append("beta", SealedLedger::plain_event(""));
    }
  }

  VerifyReport verify(const VerifyOptions& options = {}) { return verify(&ledger_.keyring(), options); }
  VerifyReport verify(const Keyring* keyring, const VerifyOptions& options = {}) {
    LedgerReader reader(ledger_.database().as("audit_auditor"));
    return sealstream::verify(reader, keyring, options);
  }

  std::string value(const std::string& sql) { return ledger_.database().superuser().value(sql); }

  void expect_intact() {
    const VerifyReport report = verify();
    ASSERT_EQ(report.verdict, Verdict::intact) << report_text(report);
    ASSERT_EQ(exit_code(report.verdict), 0);
  }

  /// The first fault of that tenant's chain is at that row.
  void expect_found(const VerifyReport& report, const std::string& tenant, std::int64_t seq,
                    const std::string& wrong) {
    EXPECT_EQ(report.verdict, Verdict::tampered);
    EXPECT_EQ(exit_code(report.verdict), 1);
    for (const Fault& fault : report.faults) {
      if (fault.tenant != tenant || fault.verdict != Verdict::tampered) continue;
      EXPECT_EQ(fault.seq, Seq(seq)) << report_text(report);
      EXPECT_EQ(name(fault.wrong), wrong) << report_text(report);
      return;
    }
    ADD_FAILURE() << "nothing found in " << tenant << "\n" << report_text(report);
  }

  void expect_found_after(const std::string& sql, std::int64_t seq, const std::string& wrong) {
    SCOPED_TRACE(sql);
    ledger_.run(sql);
    expect_found(verify(), "acme", seq, wrong);
    ledger_.restore();
  }

  /// Views hold on to the columns that they show.
  void drop_views() {
    ledger_.run(
        "DO $$ DECLARE v record; BEGIN FOR v IN SELECT viewname FROM pg_views WHERE schemaname = 'audit' LOOP"
        " EXECUTE format('DROP VIEW IF EXISTS audit.%I CASCADE', v.viewname); END LOOP; END $$");
  }

  static std::string where(std::int64_t seq) {
    return " WHERE tenant_id = 'acme' AND seq = " + std::to_string(seq);
  }

  /// Constraints that an attacker with all rights would drop as well.
  void drop_constraints() {
    ledger_.run(
        "DO $$ DECLARE c record; BEGIN"
        " FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0"
        "   AND attnotnull LOOP EXECUTE format('ALTER TABLE audit.ledger ALTER %I DROP NOT NULL', "
        "c.attname); END LOOP;"
        " FOR c IN SELECT conrelid::regclass AS leaf, conname FROM pg_constraint WHERE contype IN ('c', 'u')"
        "   AND conrelid IN (SELECT relid FROM pg_partition_tree('audit.ledger')) AND conparentid = 0"
        "   ORDER BY conrelid <> 'audit.ledger'::regclass LOOP"
        "   EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.leaf, c.conname); END LOOP;"
        " END $$;"
        "CREATE TABLE audit.ledger_other PARTITION OF audit.ledger DEFAULT");  // takes a row without
                                                                               // recorded_at
  }

  SealedLedger ledger_;
};

/// Another value of a type, in SQL.
std::string changed(const std::string& column, const std::string& type) {
  if (type == "text") return column + " || 'x'";
  if (type == "bigint") return column + " + 1000";
  if (type == "timestamp with time zone") return column + " + interval '1 microsecond'";
  if (type == "bytea") return "set_byte(" + column + ", 0, get_byte(" + column + ", 0) # 1)";
  if (type == "boolean") return "NOT " + column;
  if (type == "numeric") return column + " + 0.000000000001";
  if (type == "jsonb") return "jsonb_set(" + column + ", '{a}', '1.00')";
  if (type == "inet") return column + " + 1";
  throw std::invalid_argument("a column of type " + type + ": say how it is changed");
}

/// A value where there was none, in SQL.
std::string some(const std::string& type) {
  if (type == "text") return "''";
  if (type == "bigint" || type == "numeric") return "0";
  if (type == "boolean") return "false";
  if (type == "bytea") return "decode(repeat('00', 32), 'hex')";
  if (type == "jsonb") return "'{}'";
  if (type == "inet") return "'::'";
  throw std::invalid_argument("a column of type " + type + ": say what may stand there");
}

std::string expected_reason(const std::string& column) {
  if (column == "tenant_id" || column == "seq") return "gap";
  for (const ColumnInfo& known : kColumns) {
    if (known.name == column && known.personal) return "personal value";
  }
  return "checksum";
}

TEST_F(VerifyTest, AnUntouchedLedgerIsIntact) {
  ledger_.finish();
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::intact) << report_text(report);
  EXPECT_EQ(report.rows, 17);
  EXPECT_EQ(report.chains, 2);
  EXPECT_EQ(report.personal.opened, 13);
  EXPECT_EQ(report.personal.none, 4);
  EXPECT_EQ(value("SELECT count(DISTINCT tableoid) FROM audit.ledger"), "2")
      << "the rows should lie in two leaves";
}

TEST_F(VerifyTest, AnUpdateOfAnyColumnOfTheLiveCatalogueIsFoundAtItsRow) {
  ledger_.finish();
  drop_constraints();
  LedgerReader reader(ledger_.database().as("audit_auditor"));
  const std::vector<LiveColumn> columns = reader.columns();
  ASSERT_EQ(columns.size(), kColumnCount + 4);
  for (const LiveColumn& column : columns) {
    const std::string reason = expected_reason(column.name);
    const std::string update = "UPDATE audit.ledger SET " + column.name + " = ";
    expect_found_after(update + changed(column.name, column.type) + where(kFull), kFull, reason);
    expect_found_after(update + "NULL" + where(kFull), kFull, reason);
    if (value("SELECT " + column.name + " IS NULL FROM audit.ledger" + where(kPlain)) == "t") {
      // A commitment where there was none is found by R, like every column that is not personal.
      expect_found_after(update + some(column.type) + where(kPlain), kPlain, reason);
    }
  }
  expect_intact();
}

TEST_F(VerifyTest, ADeletedRowIsFoundWhereverItStood) {
  ledger_.finish();
  expect_found_after("DELETE FROM audit.ledger" + where(0), 0, "gap");
  expect_found_after("DELETE FROM audit.ledger" + where(6), 6, "gap");
  expect_found_after("DELETE FROM audit.ledger" + where(kLast), kLast, "head");
  expect_found_after("DELETE FROM audit.ledger WHERE tenant_id = 'acme'", 0, "head");
  expect_intact();
}

/// Copies one row of acme with some columns given other values.
std::string copy_row(std::int64_t seq, const std::string& assignments) {
  return "CREATE TEMP TABLE forged AS SELECT * FROM audit.ledger WHERE tenant_id = 'acme' AND seq = " +
         std::to_string(seq) + "; UPDATE forged SET " + assignments +
         "; INSERT INTO audit.ledger TABLE forged; DROP TABLE forged";
}

TEST_F(VerifyTest, AnInsertedRowIsFound) {
  ledger_.finish();
  expect_found_after(copy_row(kLast, "seq = 13, event_id = 'forged'"), 13, "checksum");
  // A second row of the same seq fits into another leaf, where no constraint sees it.
  expect_found_after(copy_row(2, "recorded_at = '2026-11-15', event_id = 'forged'"), 2, "order");
  expect_intact();
}

TEST_F(VerifyTest, SwappedRowsAreFoundAtTheFirst) {
  ledger_.finish();
  expect_found_after(
      "UPDATE audit.ledger SET seq = seq + 100 WHERE tenant_id = 'acme' AND seq IN (3, 4);"
      "UPDATE audit.ledger SET seq = 107 - seq WHERE tenant_id = 'acme' AND seq IN (103, 104)",
      3, "checksum");
  expect_found_after(
      "UPDATE audit.ledger a SET checksum = b.checksum, prev_checksum = b.prev_checksum"
      " FROM saved.ledger b WHERE a.tenant_id = 'acme' AND b.tenant_id = 'acme'"
      " AND a.seq IN (3, 4) AND b.seq = 7 - a.seq",
      3, "checksum");
  expect_intact();
}

TEST_F(VerifyTest, ARowCopiedToAnotherTenantIsFoundThere) {
  ledger_.finish();
  ledger_.run(copy_row(4, "tenant_id = 'beta', event_id = 'copied'"));
  expect_found(verify(), "beta", 4, "checksum");
  ledger_.restore();
  ledger_.run(copy_row(0, "tenant_id = 'gamma'"));
  expect_found(verify(), "gamma", 0, "checksum");
}

TEST_F(VerifyTest, TheReportDoesNotDependOnTheNumberOfWorkers) {
  for (const char* tenant : {"alpha", "gamma", "omega", "zeta"}) {
    for (int row = 0; row < 3; ++row) ledger_.append(tenant, SealedLedger::plain_event());
  }
  ledger_.finish();
  EXPECT_EQ(verify({.workers = 4}).verdict, Verdict::intact);
  drop_constraints();
  ledger_.run(
      "UPDATE audit.ledger SET model = 'another' WHERE tenant_id IN ('alpha', 'omega') AND seq = 1;"
      "DELETE FROM audit.ledger WHERE tenant_id = 'beta' AND seq = 1;"
      "DELETE FROM audit.ledger WHERE tenant_id = 'gamma';"
      "DELETE FROM audit.chain_heads WHERE tenant_id = 'zeta';" +
      copy_row(3, "tenant_id = NULL") + ";" + copy_row(3, "tenant_id = ''"));
  const VerifyReport alone = verify();
  EXPECT_GE(alone.fault_count, 7);
  EXPECT_EQ(alone.chains, 6);
  for (const int workers : {2, 3, 64})
    EXPECT_EQ(report_json(verify({.workers = workers})), report_json(alone));
}

TEST_F(VerifyTest, JsonThatOnlyPrintsOtherwiseIsFound) {
  ledger_.finish();
  ASSERT_EQ(value("SELECT '1.0'::jsonb = '1.00'::jsonb"), "t");
  expect_found_after("UPDATE audit.ledger SET detail = jsonb_set(detail, '{a}', '1.00')" + where(kFull),
                     kFull, "checksum");
}

TEST_F(VerifyTest, TheEmptyStringIsNotNull) {
  ledger_.finish();
  expect_found_after("UPDATE audit.ledger SET department_id = ''" + where(kPlain), kPlain, "checksum");
}

TEST_F(VerifyTest, AColumnAddedOrRetypedFailsClosed) {
  ledger_.finish();
  ledger_.run("ALTER TABLE audit.ledger ADD COLUMN verified_by text");
  VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::tampered);
  EXPECT_THAT(report_text(report), HasSubstr("unknown column: audit.ledger has a column \"verified_by\""));
  EXPECT_EQ(report.rows, 0);

  ledger_.run("ALTER TABLE audit.ledger DROP COLUMN verified_by");
  expect_intact();
  drop_views();
  ledger_.run("ALTER TABLE audit.ledger ALTER COLUMN digest TYPE json");
  EXPECT_EQ(verify().verdict, Verdict::tampered);
}

TEST_F(VerifyTest, AColumnThatIsGoneLeavesTheVerdictOpen) {
  ledger_.finish();
  drop_views();
  ledger_.run("ALTER TABLE audit.ledger DROP COLUMN model");
  const VerifyReport report = verify();
  EXPECT_EQ(exit_code(report.verdict), 3);
  EXPECT_THAT(report_text(report), HasSubstr("lacks the column \"model\""));
}

TEST_F(VerifyTest, AHeadThatDisagreesIsFound) {
  ledger_.finish();
  const std::string acme = " WHERE tenant_id = 'acme'";
  expect_found_after("DELETE FROM audit.chain_heads" + acme, kLast, "head");
  expect_found_after("UPDATE audit.chain_heads SET checksum = set_byte(checksum, 63, 0)" + acme, kLast,
                     "head");
  expect_found_after("UPDATE audit.chain_heads SET seq = 20" + acme, kLast + 1, "head");
  expect_found_after("UPDATE audit.chain_heads SET seq = 9" + acme, 10, "head");
  ledger_.run(
      "INSERT INTO audit.chain_heads SELECT 'gamma', seq, checksum, recorded_at, watermark, events,"
      " quarantined, base_seq, base_checksum FROM audit.chain_heads" +
      acme);
  expect_found(verify(), "gamma", 0, "head");
}

TEST_F(VerifyTest, ATailCutTogetherWithItsHeadStillDisagreesWithTheCounters) {
  ledger_.finish();
  ledger_.run(
      "DELETE FROM audit.ledger" + where(kLast) +
      "; UPDATE audit.chain_heads h SET seq = l.seq, checksum = l.checksum, recorded_at = l.recorded_at,"
      " events = events - 1 FROM audit.ledger l WHERE h.tenant_id = 'acme' AND l.tenant_id = 'acme'"
      " AND l.seq = 11");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::incomplete) << report_text(report);
  EXPECT_EQ(exit_code(report.verdict), 2);
  EXPECT_THAT(report_text(report), HasSubstr("accepted counts 13, the ledger holds 12"));
}

TEST_F(VerifyTest, WithTheCountersTooOnlyACheckpointWouldFindItAndTheReportSaysSo) {
  ledger_.finish();
  ledger_.run(
      "DELETE FROM audit.ledger" + where(kLast) +
      "; UPDATE audit.chain_heads h SET seq = l.seq, checksum = l.checksum, recorded_at = l.recorded_at,"
      " events = events - 1 FROM audit.ledger l WHERE h.tenant_id = 'acme' AND l.tenant_id = 'acme'"
      " AND l.seq = 11; UPDATE audit.partitions SET next_offset = 12, accepted = 12 WHERE partition = 0");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::intact);
  EXPECT_THAT(report_text(report), HasSubstr("only against a checkpoint that is kept elsewhere"));
}

TEST_F(VerifyTest, CountersThatDisagreeAreIncomplete) {
  ledger_.finish();
  for (const std::string sql :
       {"UPDATE audit.partitions SET accepted = accepted + 1, next_offset = next_offset + 1 WHERE partition "
        "= 0",
        "UPDATE audit.partitions SET accepted = accepted - 1, quarantined = 1 WHERE partition = 1",
        "UPDATE audit.partitions SET first_offset = 5, next_offset = next_offset + 5 WHERE partition = 0",
        "UPDATE audit.partitions SET topic = 'other' WHERE partition = 0",
        "UPDATE audit.chain_heads SET events = events + 1 WHERE tenant_id = 'acme'"}) {
    SCOPED_TRACE(sql);
    ledger_.run(sql);
    const VerifyReport report = verify();
    EXPECT_EQ(report.verdict, Verdict::incomplete) << report_text(report);
    ledger_.restore();
  }
}

TEST_F(VerifyTest, ALossThatNoEventSaysIsIncomplete) {
  Row reset = SealedLedger::plain_event("operator");
  reset.set_text(Column::event_id, "the-reset");
  reset.set_text(Column::action, "reset");
  reset.set_text(Column::resource_type, "partition");
  reset.set_json(Column::detail, R"({"rows": 13})");
  ledger_.append("_sealstream", reset);
  ledger_.finish();
  const auto close = [&](const char* event_id, int lost) {
    ledger_.run(
        "INSERT INTO audit.partition_epochs (topic, partition, log_epoch, first_offset, next_offset,"
        " owner_epoch, lost, reason, event_id) VALUES ('other', 0, 0, 7, " +
        std::to_string(7 + lost) + ", 1, " + std::to_string(lost) + ", 'r', '" + event_id + "')");
    const VerifyReport report = verify();
    ledger_.run("DELETE FROM audit.partition_epochs");
    return report;
  };
  EXPECT_EQ(close("the-reset", 13).verdict, Verdict::intact);
  EXPECT_THAT(report_text(close("the-reset", 14)), HasSubstr("no event of _sealstream says that 14 records"));
  EXPECT_EQ(close("event-0", 13).verdict, Verdict::incomplete);
}

TEST_F(VerifyTest, WithoutTheKeyringPersonalValuesAreUncheckedAndThatIsNotIntact) {
  ledger_.finish();
  const VerifyReport report = verify(nullptr);
  EXPECT_EQ(report.verdict, Verdict::undecidable);
  EXPECT_EQ(exit_code(report.verdict), 3);
  EXPECT_EQ(report.personal.unchecked, 13);
  EXPECT_THAT(report_text(report), HasSubstr("there is no keyring with \"2026q4\""));
}

TEST_F(VerifyTest, TheChainAloneIsEnoughOnlyWhenThatIsAskedFor) {
  ledger_.finish();
  VerifyOptions options;
  options.chain_only = true;
  EXPECT_EQ(verify(nullptr, options).verdict, Verdict::intact);
  EXPECT_EQ(verify(nullptr, options).personal.unchecked, 13);
  ledger_.run("UPDATE audit.ledger SET action = 'x'" + where(3));
  expect_found(verify(nullptr, options), "acme", 3, "checksum");
}

constexpr const char* kErasePersonal =
    "UPDATE audit.ledger SET user_id = NULL, user_email = NULL, user_name = NULL, on_behalf_of = NULL,"
    " session_id = NULL, client_ip = NULL, user_agent = NULL, resource_id = NULL, input_summary = NULL,"
    " output_summary = NULL, error_message = NULL, personal_detail = NULL";

TEST_F(VerifyTest, ErasedValuesNeedAnEventThatAccountsForThem) {
  Row erasure = SealedLedger::plain_event("operator");
  erasure.set_text(Column::action, "erase");
  erasure.set_text(Column::resource_type, "ledger_rows");
  erasure.set_json(Column::detail, R"({"erased_seqs": [[2, 3], [5, 5]]})");
  ledger_.append("acme", erasure);
  ledger_.finish();
  const std::string erase(kErasePersonal);
  const VerifyReport before = verify();
  EXPECT_EQ(before.verdict, Verdict::intact) << report_text(before);
  EXPECT_EQ(before.half_erased_rows, 3);
  EXPECT_THAT(report_text(before), HasSubstr("not erased yet, named by tenant \"acme\", seq 13: 3 rows"));
  EXPECT_THAT(report_json(before), HasSubstr(R"("half_erased":[{"tenant":"acme","seq":13,"rows":3}])"));

  ledger_.run(erase + " WHERE tenant_id = 'acme' AND seq IN (2, 3, 5)");
  const VerifyReport report = verify();
  EXPECT_EQ(report.half_erased_rows, 0);
  EXPECT_EQ(report.verdict, Verdict::intact) << report_text(report);
  EXPECT_EQ(report.personal.erased, 3);
  EXPECT_THAT(report_text(report), HasSubstr("erased by tenant \"acme\", seq 13: 3 rows"));

  ledger_.run(erase + where(4));
  expect_found(verify(), "acme", 4, "personal value");
  expect_found(verify(nullptr), "acme", 4, "personal value");
}

TEST_F(VerifyTest, OneTenantAloneIsVerifiedAlone) {
  ledger_.finish();
  ledger_.run("UPDATE audit.ledger SET action = 'x'" + where(3));
  VerifyOptions options;
  options.tenant = "beta";
  const VerifyReport beta = verify(options);
  EXPECT_EQ(beta.verdict, Verdict::intact) << report_text(beta);
  EXPECT_EQ(beta.rows, 4);
  options.tenant = "acme";
  expect_found(verify(options), "acme", 3, "checksum");
  options.tenant = "no'body";
  EXPECT_EQ(verify(options).verdict, Verdict::undecidable);
}

TEST_F(VerifyTest, SinceADateTheChainIsCheckedFromThereAndTheReportSaysWhatWasTrusted) {
  ledger_.finish();
  VerifyOptions options;
  options.since = Timestamp(std::chrono::seconds(1'793'491'200));  // 2026-11-01
  const VerifyReport intact = verify(options);
  EXPECT_EQ(intact.verdict, Verdict::intact) << report_text(intact);
  EXPECT_LT(intact.rows, 17);
  EXPECT_GT(intact.rows, 0);
  EXPECT_THAT(report_text(intact), HasSubstr("before 2026-11-01T00:00:00.000000Z were not read"));

  const std::int64_t first =
      std::stoll(value("SELECT min(seq) FROM audit.ledger_y2026m11 WHERE tenant_id = 'acme'"));
  ASSERT_GT(first, 0);
  ledger_.run("UPDATE audit.ledger SET action = 'x'" + where(first - 1));
  EXPECT_EQ(verify(options).verdict, Verdict::intact) << "what lies before is taken on trust";
  ledger_.run("UPDATE audit.ledger SET action = 'x'" + where(first + 1));
  expect_found(verify(options), "acme", first + 1, "checksum");
  ledger_.run("DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND recorded_at >= '2026-11-01'");
  expect_found(verify(options), "acme", 0, "head");
}

TEST_F(VerifyTest, AnEventIdThatIsRepeatedInAnotherLeafIsReportedButNoFault) {
  Row again = SealedLedger::plain_event();
  again.set_text(Column::event_id, "event-0");
  ledger_.append("acme", again);
  ledger_.finish();
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::intact) << report_text(report);
  ASSERT_EQ(report.repeated_ids.size(), 1u);
  EXPECT_EQ(report.repeated_ids[0].first, Seq(0));
  EXPECT_EQ(report.repeated_ids[0].last, Seq(kLast + 1));
  EXPECT_THAT(report_text(report), HasSubstr("tenant \"acme\", id \"event-0\": 2 rows"));
}

TEST_F(VerifyTest, AnEmptyLedgerIsNotIntact) {
  TestDatabase empty;
  LedgerReader reader(empty.as("audit_auditor"));
  EXPECT_EQ(sealstream::verify(reader, nullptr, {}).verdict, Verdict::undecidable);
}

TEST_F(VerifyTest, TheReportAsJsonSaysTheSame) {
  ledger_.finish();
  ledger_.run("UPDATE audit.ledger SET tenant_id = E'a\\u001b[31m\"' WHERE tenant_id = 'beta'");
  const VerifyReport report = verify();
  simdjson::dom::parser parser;
  const std::string text = report_json(report);
  const simdjson::dom::element json = parser.parse(text);
  EXPECT_EQ(std::string_view(json["verdict"]), "tampered");
  EXPECT_EQ(json["exit_code"].get_int64().value(), 1);
  EXPECT_EQ(json["rows"].get_int64().value(), 17);
  EXPECT_EQ(json["faults"].get_array().value().size(), report.faults.size());
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(report_text(report).find('\x1b'), std::string::npos);
}

TEST_F(VerifyTest, AServerThatRefusesIsAnErrorAndNoVerdict) {
  ConnectionOptions stranger = ledger_.database().as("audit_auditor");
  stranger.user = "nobody_of_that_name";
  EXPECT_THROW(LedgerReader{stranger}, LedgerError);
  LedgerReader reader(ledger_.database().as("audit_writer"));
  EXPECT_THROW(sealstream::verify(reader, nullptr, {}), LedgerError);
}

}  // namespace
}  // namespace sealstream
