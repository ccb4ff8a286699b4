// Goal: a commit whose answer is missing is in doubt, no other is, and a claim settles which of the two it
// was. Method: a proxy before the real server that cuts the wire at the COMMIT.
#include <gtest/gtest.h>

#include "postgres/ledger_fixture.h"
#include "postgres/tcp_proxy.h"

namespace sealstream {
namespace {

class LedgerInDoubtTest : public LedgerTest {
 protected:
  LedgerInDoubtTest() { batch_.event("acme", "e1"); }

  ConnectionOptions through_proxy() {
    auto options = database_.as("audit_writer");
    options.port = proxy_.port();
    options.answer_timeout = std::chrono::seconds(1);
    return options;
  }
  std::string commit_with(Cut cut) {
    proxied_.check();
    proxy_.cut(cut);
    const auto outcome = outcome_of([&] { proxied_.commit(batch_.writes()); });
    proxy_.cut(Cut::never);
    return outcome;
  }
  Offset settled() { return ledger_.claim(partition(0), "test", std::nullopt).value().next_offset; }

  const ConnectionOptions direct_ = database_.as("audit_writer");
  TcpProxy proxy_{direct_.host, direct_.port};
  PostgresLedger proxied_{through_proxy(), known_schema_version(), [] {}};
  TestBatch batch_{partition(0), claimed()};
};

TEST_F(LedgerInDoubtTest, ACommitThatNeverArrivedIsInDoubtAndTheClaimSaysNotDone) {
  EXPECT_EQ(commit_with(Cut::before_commit), "in_doubt ");
  EXPECT_EQ(settled(), Offset(0));
  EXPECT_EQ(ledger_rows(), "0");
}

TEST_F(LedgerInDoubtTest, ACommitWhoseAnswerWasLostIsInDoubtAndTheClaimSaysDone) {
  EXPECT_EQ(commit_with(Cut::before_answer), "in_doubt ");
  EXPECT_EQ(settled(), Offset(1));
  EXPECT_EQ(ledger_rows(), "1");
}

TEST_F(LedgerInDoubtTest, ACommitWhoseAnswerIsLateIsInDoubtAfterTheDeadline) {
  EXPECT_EQ(commit_with(Cut::silence), "in_doubt ");
  EXPECT_EQ(settled(), Offset(1));
}

TEST_F(LedgerInDoubtTest, ACommitThatWasAnsweredIsDoneThoughTheConnectionIsLostThen) {
  EXPECT_EQ(commit_with(Cut::after_answer), "nothing");
  EXPECT_EQ(settled(), Offset(1));
}

TEST_F(LedgerInDoubtTest, ARefusalThatWasHeardIsNotInDoubtThoughTheConnectionIsLostThen) {
  batch_.after("zeta", made_up_head("zeta", Seq(7), kNow)).event("zeta", "e1");
  EXPECT_EQ(commit_with(Cut::after_answer), "head_conflict SL001");
  EXPECT_EQ(settled(), Offset(0));
}

TEST_F(LedgerInDoubtTest, AServerThatEndsTheSessionInCommitLeavesItInDoubt) {
  run("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END $$");
  run("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON audit.chain_heads DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION slow()");
  EXPECT_EQ(commit_with(Cut::never), "in_doubt 57P01");
  EXPECT_EQ(settled(), Offset(0));
}

TEST_F(LedgerInDoubtTest, AServerThatRefusesTheCommitItselfSaysSo) {
  run("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " RAISE SQLSTATE '40001'; END $$");
  run("CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON audit.chain_heads DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION refuse()");
  EXPECT_EQ(commit_with(Cut::never), "unavailable 40001");
  EXPECT_EQ(settled(), Offset(0));
}

}  // namespace
}  // namespace sealstream
