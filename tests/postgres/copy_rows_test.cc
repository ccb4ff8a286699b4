// Goal: what is encoded is what the server stores, for every column, type and value.
// Method: rows through COPY into the real server, read back as text and compared with what went in.
#include "postgres/copy_rows.h"

#include <gtest/gtest.h>

#include <random>

#include "postgres/leaves.h"
#include "postgres/ledger_fixture.h"
#include "sealstream/core/columns.h"

namespace sealstream {
namespace {

class CopyRowsTest : public LedgerTest {
 protected:
  std::string stored(const std::string& expression) {
    return value("SELECT " + expression + " FROM audit.ledger ORDER BY seq LIMIT 1");
  }
};

/// A value of the column's type, different in each column.
std::string set_a_value(Row& row, const ColumnInfo& column) {
  const auto id = std::to_string(static_cast<int>(column.column));
  switch (column.type) {
    case ColumnType::text:
      row.set_text(column.column, "t\xC3\xA4xt\n'\"\\" + id);
      return "t\xC3\xA4xt\n'\"\\" + id;
    case ColumnType::int64:
      row.set_int(column.column, -1'000'000'000'000 - std::stoi(id));
      return std::to_string(-1'000'000'000'000 - std::stoi(id));
    case ColumnType::boolean:
      row.set_bool(column.column, true);
      return "true";
    case ColumnType::decimal:
      row.set_decimal(column.column, "-3." + id);
      return "-3." + id;
    case ColumnType::json:
      row.set_json(column.column, "{\"a\": [1.0, " + id + "]}");
      return "{\"a\": [1.0, " + id + "]}";
    case ColumnType::ip:
      row.set_ip(column.column, std::string("\x02\x20\x00\x04\x0A\x01\x02\x03", 8));
      return "10.1.2.3/32";
    case ColumnType::timestamp:
    case ColumnType::bytes:
      break;
  }
  ADD_FAILURE() << column.name << " has no value in this test";
  return "";
}

TEST_F(CopyRowsTest, EveryColumnComesBackAsItWentIn) {
  TestBatch batch(partition(0), claimed());
  Row& row = batch.event("acme", "e1");
  std::vector<std::pair<std::string, std::string>> expected;
  for (const auto& column : kColumns) {
    if (row.has(column.column) || column.column == Column::personal_commitment) continue;
    const auto value = set_a_value(row, column);
    expected.emplace_back(std::string(column.name), value);
  }
  row.set_bytes(Column::personal_commitment, std::string(32, '\xA5'));
  ledger_.commit(batch.writes());

  for (const auto& [name, value] : expected) EXPECT_EQ(stored(name + "::text"), value) << name;
  EXPECT_EQ(stored("personal_commitment = decode(repeat('a5', 32), 'hex')"), "t");
  EXPECT_EQ(stored("convert_from(source_digest, 'UTF8')"), "0123456789abcdef");
  EXPECT_EQ(stored("recorded_at AT TIME ZONE 'UTC'"), "2026-11-22 18:00:00");
  EXPECT_EQ(stored("prev_checksum = decode(repeat('00', 64), 'hex')"), "t");
  EXPECT_EQ(stored("concat_ws(' ', tenant_id, seq, event_id, kafka_topic, kafka_offset)"),
            "acme 0 e1 audit.events.v1 0");
}

TEST_F(CopyRowsTest, AColumnThatWasNotSetIsNull) {
  TestBatch batch(partition(0), claimed());
  const Row& row = batch.event("acme", "e1");
  ledger_.commit(batch.writes());
  for (const auto& column : kColumns) {
    const std::string is_null = row.has(column.column) ? "f" : "t";
    EXPECT_EQ(stored(std::string(column.name) + " IS NULL"), is_null) << column.name;
  }
}

TEST_F(CopyRowsTest, TheColumnsAreThoseOfTheLedgerInTheirOrder) {
  EXPECT_EQ(value("SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute"
                  " WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0 AND NOT attisdropped"),
            copy_columns());
}

TEST_F(CopyRowsTest, AnIpv6AddressComesBackAsItWentIn) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1")
      .set_ip(Column::client_ip, std::string("\x03\x80\x00\x10", 4) + std::string(15, '\0') + '\x01');
  ledger_.commit(batch.writes());
  EXPECT_EQ(stored("client_ip"), "::1");
}

TEST_F(CopyRowsTest, TimestampsKeepTheirMicrosecondsOnBothSidesOf2000) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1").set_timestamp(Column::event_time, Timestamp(std::chrono::microseconds(-1)));
  batch.event("acme", "e2").set_timestamp(Column::event_time, kNow + std::chrono::microseconds(123'457));
  ledger_.commit(batch.writes());
  EXPECT_EQ(
      value("SELECT string_agg((event_time AT TIME ZONE 'UTC')::text, ', ' ORDER BY seq) FROM audit.ledger"),
      "1969-12-31 23:59:59.999999, 2026-11-22 18:00:00.123457");
}

/// A decimal in the canonical form of trim_scale(x)::text.
std::string random_decimal(std::mt19937_64& random) {
  const auto digits = [&](std::size_t count) {
    std::string out;
    // Long runs of zeros and nines: the borders of groups of four.
    while (out.size() < count)
      out += random() % 3 == 0 ? std::string(random() % 6, random() % 2 ? '0' : '9')
                               : std::string(1, static_cast<char>('0' + random() % 10));
    return out.substr(0, count);
  };
  std::string whole = digits(random() % 30);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  std::string fraction = digits(random() % 30);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  std::string out = whole.empty() ? "0" : whole;
  if (!fraction.empty()) out += "." + fraction;
  return out == "0" || random() % 2 ? out : "-" + out;
}

TEST_F(CopyRowsTest, DecimalsComeBackAsTheSameText) {
  const auto seed = std::random_device()();
  std::mt19937_64 random(seed);
  std::vector<std::string> decimals = {
      "0",    "1",      "-1",      "0.5",       "-3.25",      "10000",
      "9999", "0.0001", "0.00001", "100000000", "1.00000001", "12345678901234567890.123456789"};
  while (decimals.size() < 5'000) decimals.push_back(random_decimal(random));
  TestBatch batch(partition(0), claimed());
  for (std::size_t i = 0; i < decimals.size(); ++i) {
    batch.event("acme", std::to_string(i)).set_decimal(Column::cost_usd, decimals[i]);
  }
  ledger_.commit(batch.writes());
  const auto stored = database_.superuser().values("SELECT cost_usd::text FROM audit.ledger ORDER BY seq");
  const auto equal_to_their_text = database_.superuser().value(
      "SELECT count(*) FROM audit.ledger WHERE numeric_send(cost_usd) = "
      "numeric_send(cost_usd::text::numeric)");
  EXPECT_EQ(stored, decimals) << "seed " << seed;
  EXPECT_EQ(equal_to_their_text, std::to_string(decimals.size())) << "seed " << seed;
}

TEST(Leaves, AreNamedAsTheDatabaseNamesThemAndEndWithTheirMonth) {
  const auto at = [](int year, unsigned month, unsigned day) {
    return Timestamp(std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / day));
  };
  EXPECT_EQ(leaf_name(at(2026, 11, 30)), "ledger_y2026m11");
  EXPECT_EQ(leaf_name(at(2026, 12, 1)), "ledger_y2026m12");
  EXPECT_EQ(leaf_name(at(2026, 12, 1) - std::chrono::microseconds(1)), "ledger_y2026m11");
  EXPECT_EQ(leaf_name(at(1970, 1, 1)), "ledger_y1970m01");
  EXPECT_EQ(leaf_end("ledger_y2026m11"), at(2026, 12, 1));
  EXPECT_EQ(leaf_end("ledger_y2026m12"), at(2027, 1, 1));
  for (const char* other :
       {"ledger", "ledger_y2026m13", "ledger_y2026m1", "ledger_y2026m111", "ledgerxy2026m11", ""}) {
    EXPECT_EQ(leaf_end(other), std::nullopt) << other;
  }
  EXPECT_EQ(month_start(at(2026, 11, 22), 0), at(2026, 11, 1));
  EXPECT_EQ(month_start(at(2026, 11, 22), 2), at(2027, 1, 1));
}

TEST_F(CopyRowsTest, LeavesAreNamedAsTheDatabaseNamesThem) {
  for (const auto moment : {kNow, Timestamp(), kNow + std::chrono::days(3'000)}) {
    EXPECT_EQ(value("SELECT audit.ensure_partition('epoch'::timestamptz + interval '1 microsecond' * " +
                    std::to_string(moment.time_since_epoch().count()) + ")"),
              leaf_name(moment));
  }
}

}  // namespace
}  // namespace sealstream
