// A migrated database and a ledger that works in it as audit_writer.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "postgres/ledger.h"
#include "postgres/migrations.h"
#include "postgres/test_database.h"
#include "postgres/write_set.h"

namespace sealstream {

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { ledger_.ensure_leaves(kNow, 1); }

  PostgresLedger ledger_as(const std::string& role) {
    return {database_.as(role), known_schema_version(), [this] { ++ticks_; }};
  }
  Claim claimed(std::int32_t number = 0) {
    return ledger_.claim(partition(number), "test", Offset(0)).value();
  }
  std::string value(const std::string& sql) { return database_.superuser().value(sql); }
  void run(const std::string& sql) { database_.superuser().run(sql); }
  std::string ledger_rows() { return value("SELECT count(*) FROM audit.ledger"); }

  int ticks_ = 0;
  TestDatabase database_;
  PostgresLedger ledger_ = ledger_as("audit_writer");
};

/// What a call of the ledger threw.
template <class Call>
std::optional<LedgerError> error_of(Call call) {
  try {
    call();
  } catch (const LedgerError& error) {
    return error;
  }
  return std::nullopt;
}

/// The fault and SQLSTATE that a call threw, as one word for comparison: "row 22021"; "nothing" for none.
template <class Call>
std::string outcome_of(Call call) {
  constexpr const char* kNames[] = {"head_conflict", "fenced",      "duplicate",     "row",
                                    "ours",          "unavailable", "misconfigured", "in_doubt"};
  const auto error = error_of(call);
  if (!error) return "nothing";
  return std::string(kNames[static_cast<int>(error->fault())]) + " " + error->sqlstate();
}

}  // namespace sealstream
