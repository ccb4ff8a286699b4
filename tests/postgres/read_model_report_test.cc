// Goal: what a verification says of the read models is a verdict of its own, from the snapshot of the chains,
// and tells nothing personal; what could not be compared is not called intact. Method: a ledger whose read
// models were rebuilt, changed by the superuser, and read through verify() and its reports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "app/verify.h"
#include "postgres/read_model_ledger.h"

namespace sealstream {
namespace {

using testing::HasSubstr;
using testing::Not;

class ReadModelReportTest : public testing::Test {
 protected:
  VerifyReport verify() {
    LedgerReader reader(ledger_.as("audit_auditor"));
    VerifyReport report = sealstream::verify(reader, &ledger_.sealed().keyring(), {});
    add_read_models(report, ledger_.check({.snapshot = reader.snapshot()}));
    return report;
  }

  ReadModelLedger ledger_;
};

TEST_F(ReadModelReportTest, EqualReadModelsLeaveTheVerdictIntact) {
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::intact) << report_text(report);
  EXPECT_THAT(report_text(report), HasSubstr("api_keys 2, "));
  EXPECT_THAT(report_text(report), HasSubstr(": as the ledger says\n"));
}

TEST_F(ReadModelReportTest, ADifferenceIsIncompleteAndNamedWithoutPersonalValues) {
  ledger_.run(
      "UPDATE audit.usage_records SET requests = 77 WHERE tenant_id = 'beta' AND user_id = 'u-1';"
      "UPDATE audit.api_keys SET key_name = 'Mallory', user_id = 'u-mallory', last_used_ip = '203.0.113.9'"
      " WHERE key_id = 'k-1'; DELETE FROM audit.api_key_anomalies");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::incomplete);
  EXPECT_EQ(exit_code(report.verdict), 2);
  const std::string text = report_text(report), json = report_json(report);
  EXPECT_THAT(
      text,
      HasSubstr("incomplete: read model: usage_records is not what the ledger says: 0 rows are missing, "
                "0 are there without reason, 1 differ"));
  EXPECT_THAT(text, HasSubstr("requests is \"77\", the ledger says \"3\""));
  EXPECT_THAT(text,
              HasSubstr("api_keys tenant_id \"acme\" key_id \"k-1\": key_name differs; user_id differs; "
                        "last_used_ip differs"));
  EXPECT_THAT(text, HasSubstr("sealstream rebuild read-models"));
  for (const char* personal :
       {"u-1", "u-owner", "u-sre", "mallory", "Mallory", "Amara", "203.0.113", "192.0.2", "\\\\x"}) {
    EXPECT_THAT(text, Not(HasSubstr(personal)));
    EXPECT_THAT(json, Not(HasSubstr(personal)));
  }
  simdjson::dom::parser parser;
  const simdjson::dom::element models = parser.parse(json)["read_models"];
  EXPECT_TRUE(models["compared"].get_bool().value());
  EXPECT_EQ(models["difference_count"].get_int64().value(),
            std::int64_t(models["differences"].get_array().value().size()));
  EXPECT_EQ(models["tables"].at(0)["different"].get_int64().value(), 1);
}

TEST_F(ReadModelReportTest, AnotherRowOfTheLedgerWouldBeTamperingWhateverTheReadModelsSay) {
  ledger_.run("UPDATE audit.ledger SET model = 'gpt-3' WHERE tenant_id = 'beta' AND seq = 1");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::tampered);
  EXPECT_EQ(report.faults.front().wrong, Wrong::checksum);
  EXPECT_EQ(report.faults.back().wrong, Wrong::read_model);
}

TEST_F(ReadModelReportTest, ChainsAndReadModelsAreReadFromOneSnapshot) {
  LedgerReader reader(ledger_.as("audit_auditor"));
  const std::string snapshot = reader.snapshot();
  ledger_.run("DELETE FROM audit.usage_records; DELETE FROM audit.api_key_anomalies");
  EXPECT_EQ(ledger_.check({.snapshot = snapshot}).difference_count(), 0);
  EXPECT_GT(ledger_.check().difference_count(), 0);
}

TEST_F(ReadModelReportTest, WithoutTheRightToMakeTemporaryTablesItIsUndecidable) {
  ledger_.run(
      "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END "
      "$$");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, Verdict::undecidable);
  EXPECT_EQ(exit_code(report.verdict), 3);
  EXPECT_THAT(report_text(report),
              HasSubstr("audit_auditor may not make temporary tables: GRANT TEMPORARY ON DATABASE"));
  EXPECT_THAT(report_text(report), HasSubstr("read models: not compared\n"));
  EXPECT_THROW(ledger_.rebuild(), LedgerError);
}

TEST_F(ReadModelReportTest, NothingIsLeftBehindInASessionThatGoesOn) {
  Connection auditor(ledger_.as("audit_auditor"), [] {});
  Connection rebuilder(ledger_.as("audit_rebuilder"), [] {});
  for (int i = 0; i < 2; ++i) {
    check_read_models(auditor, {});
    rebuild_read_models(rebuilder, {}, [](const RebuildStep&) {});
    EXPECT_EQ(ledger_.value(
                  "SELECT (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
                  "  WHERE nspname LIKE 'pg\\_temp%')"
                  " + (SELECT count(*) FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace"
                  "  WHERE nspname LIKE 'pg\\_temp%')"),
              "0");
  }
}

}  // namespace
}  // namespace sealstream
