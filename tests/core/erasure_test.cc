// Goal: an erasure's event accounts for the rows that it lists, and for no others.
// Method: rows with every kind of detail that an event may carry.
#include "sealstream/core/erasure.h"

#include <gtest/gtest.h>

#include <string>

namespace sealstream {
namespace {

Row erasure(std::string_view detail) {
  Row row;
  row.set_text(Column::family, "admin");
  row.set_text(Column::action, "erase");
  row.set_text(Column::resource_type, "ledger_rows");
  if (!detail.empty()) row.set_json(Column::detail, detail);
  return row;
}

using Ranges = std::vector<SeqRange>;

TEST(Erasure, IsAnAdminEventThatErasesLedgerRows) {
  EXPECT_TRUE(is_erasure(erasure("")));
  for (const Column column : {Column::family, Column::action, Column::resource_type}) {
    Row row = erasure("");
    row.set_text(column, "other");
    EXPECT_FALSE(is_erasure(row)) << info(column).name;
    row.clear(column);
    EXPECT_FALSE(is_erasure(row)) << info(column).name;
  }
}

TEST(Erasure, ListsItsRowsAsRanges) {
  EXPECT_EQ(erased_seqs(erasure(R"({"rows": 4, "erased_seqs": [[0, 2], [7, 7]]})"), Seq(8)),
            (Ranges{{Seq(0), Seq(2)}, {Seq(7), Seq(7)}}));
}

TEST(Erasure, ListsItsRowsBesideNumbersOfAnySize) {
  EXPECT_EQ(erased_seqs(erasure(R"({"a": 18446744073709551616, "bytes": 1000000000000000000000000000000, )"
                                R"("erased_seqs": [[0, 2], [7, 18446744073709551616], [7, 7]]})"),
                        Seq(8)),
            (Ranges{{Seq(0), Seq(2)}, {Seq(7), Seq(7)}}));
}

TEST(Erasure, WhatIsNoRangeHidesNoOther) {
  for (const std::string_view other : {"1", "null", "\"x\"", "[]", "[1]", "[[1, 1]]", "[1, 2, 3]", "{}",
                                       "[1, [2]]", "[{\"a\": 1}, 2]", "[1.0, 2]", "[0, \"2\"]"}) {
    const std::string detail = R"({"erased_seqs": [)" + std::string(other) + R"(, [4, 5]], "rows": 2})";
    EXPECT_EQ(erased_seqs(erasure(detail), Seq(8)), (Ranges{{Seq(4), Seq(5)}})) << detail;
  }
}

TEST(Erasure, CoversNoRowThatIsNotBeforeIt) {
  EXPECT_EQ(erased_seqs(erasure(R"({"erased_seqs": [[0, 8], [8, 8], [9, 10], [1, 7]]})"), Seq(8)),
            (Ranges{{Seq(1), Seq(7)}}));
}

TEST(Erasure, WhatIsNoRangeCoversNothing) {
  for (const std::string_view detail :
       {"", "{}", "[]", "null", R"({"erased_seqs": 1})", R"({"erased_seqs": [[2, 1]]})",
        R"({"erased_seqs": [[-1, 1]]})", R"({"erased_seqs": [[1]]})", R"({"erased_seqs": [1, 2]})",
        R"({"erased_seqs": [["0", "2"]]})", R"({"erased_seqs": [[0.0, 2.0]]})",
        R"({"data": {"erased_seqs": [[0, 2]]}})", R"({"x": "\"erased_seqs\": [[0, 2]]"})"}) {
    EXPECT_EQ(erased_seqs(erasure(detail), Seq(8)), Ranges{}) << detail;
  }
}

}  // namespace
}  // namespace sealstream
