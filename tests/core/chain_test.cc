// Goal: what is hashed is schemas/chain-v1.md, byte for byte.
// Method: every answer in tests/data/chain_vectors.json, which tests/reference (Python, hashlib only) wrote,
// is computed here again; then the rules of sealing that no single row shows.
#include "sealstream/core/chain.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "core/hex.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using simdjson::dom::element;

struct Vectors {
  simdjson::dom::parser parser;
  element root;
  Vectors() : root(parser.load(SEALSTREAM_SOURCE_DIR "/tests/data/chain_vectors.json")) {}
};

const element& vectors() {
  static const Vectors loaded;
  return loaded.root;
}

std::string_view text(const element& value) { return value.get_string(); }

template <std::size_t N>
std::array<std::uint8_t, N> array_from_hex(std::string_view hex) {
  const std::string bytes = from_hex(hex);
  std::array<std::uint8_t, N> out{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

Keyring keyring() {
  constexpr std::int64_t kFrom[] = {1'782'864'000,
                                    1'790'812'800};  // 2026-07-01 and 2026-10-01, both 00:00 UTC
  std::vector<KeyEntry> entries;
  for (const element entry : vectors()["keyring"].get_array()) {
    entries.push_back({std::string(text(entry["id"])), Timestamp(std::chrono::seconds(kFrom[entries.size()])),
                       array_from_hex<32>(text(entry["key"]))});
  }
  return Keyring(std::move(entries));
}

/// The encoded address that the vectors give for its text.
std::string address(std::string_view ip) {
  for (const element entry : vectors()["ip"].get_array()) {
    if (text(entry["in"]) == ip) return from_hex(text(entry["out"]));
  }
  throw std::out_of_range("an address without its bytes");
}

Column column_named(std::string_view name) {
  for (const ColumnInfo& column : kColumns) {
    if (column.name == name) return column.column;
  }
  throw std::out_of_range("unknown column");
}

/// money_text() refuses what is negative; the format does not.
std::string decimal(std::string_view amount) {
  if (const auto printed = money_text(amount)) return *printed;
  return "-" + money_text(amount.substr(1)).value();
}

void set(Row& row, Column column, const element& value) {
  switch (info(column).type) {
    case ColumnType::text:
      return row.set_text(column, text(value));
    case ColumnType::int64:
      return row.set_int(column, value.get_int64());
    case ColumnType::timestamp:
      return row.set_timestamp(column, Timestamp(std::chrono::microseconds(value.get_int64().value())));
    case ColumnType::boolean:
      return row.set_bool(column, value.get_bool());
    case ColumnType::bytes:
      return row.set_bytes(column, from_hex(text(value)));
    case ColumnType::decimal:
      return row.set_decimal(column, decimal(text(value)));
    case ColumnType::json:
      return row.set_json(column, json_text(text(value)).value());
    case ColumnType::ip:
      return row.set_ip(column, address(text(value)));
  }
}

Row row_of(const element& columns) {
  Row row;
  for (const auto& [name, value] : columns.get_object()) set(row, column_named(name), value);
  return row;
}

struct RecordBytes {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> storage;
  std::vector<Header> headers;
};

std::optional<std::string> bytes_or_null(const element& value) {
  if (value.is_null()) return std::nullopt;
  return from_hex(text(value));
}

RecordBytes record_bytes(const element& entry) {
  RecordBytes record{bytes_or_null(entry["key"]), bytes_or_null(entry["value"]), {}, {}};
  for (const element header : entry["headers"].get_array()) {
    record.storage.emplace_back(text(header["name"]), bytes_or_null(header["value"]));
  }
  for (const auto& [name, value] : record.storage) record.headers.push_back({name, value});
  return record;
}

TEST(ChainVectors, Blake2bAnswersAsHashlibDoes) {
  Blake2b hash;
  for (const element entry : vectors()["blake2b"].get_array()) {
    EXPECT_EQ(to_hex(as_bytes(hash.update(from_hex(text(entry["in"]))).finish())), text(entry["out"]));
  }
}

TEST(ChainVectors, JsonTextsAreTheReferences) {
  for (const element entry : vectors()["json_text"].get_array()) {
    const auto printed = json_text(text(entry["in"]));
    if (entry["out"].is_null()) {
      EXPECT_EQ(printed, std::nullopt) << text(entry["in"]);
    } else {
      EXPECT_EQ(printed, text(entry["out"])) << text(entry["in"]);
    }
  }
}

TEST(ChainVectors, DecimalsAreTheReferences) {
  for (const element entry : vectors()["decimal"].get_array()) {
    EXPECT_EQ(decimal(text(entry["in"])), text(entry["out"])) << text(entry["in"]);
  }
}

TEST(ChainVectors, SourceDigestsAreTheReferences) {
  const Keyring keys = keyring();
  Sealer sealer(keys);
  for (const element entry : vectors()["source_digests"].get_array()) {
    const RecordBytes bytes = record_bytes(entry);
    Record record{};
    record.key = bytes.key;
    record.value = bytes.value;
    record.headers = bytes.headers;
    const KeyEntry* key = keys.find(text(entry["personal_key_id"]));
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(to_hex(as_bytes(sealer.source_digest(key, text(entry["tenant"]), record))),
              text(entry["source_digest"]));
    EXPECT_EQ(to_hex(as_bytes(sealer.source_digest(nullptr, text(entry["tenant"]), record))),
              text(entry["last_digest"]));
  }
}

TEST(ChainVectors, RowRecordsChecksumsAndCommitmentsAreTheReferences) {
  const Keyring keys = keyring();
  Sealer sealer(keys);
  std::size_t rows = 0;
  for (const element chain : vectors()["chains"].get_array()) {
    const std::string_view tenant = text(chain["tenant"]);
    for (const element entry : chain["rows"].get_array()) {
      const Row row = row_of(entry["columns"]);
      const Seq seq(entry["seq"].get_int64());
      const auto prev = array_from_hex<64>(text(entry["prev_checksum"]));
      std::string record;
      append_row_record(record, tenant, seq, prev, row);
      EXPECT_EQ(to_hex(record), text(entry["record"]));
      EXPECT_EQ(to_hex(as_bytes(sealer.checksum(tenant, seq, prev, row))), text(entry["checksum"]));
      std::string personal;
      append_personal_entries(personal, row);
      EXPECT_EQ(to_hex(personal), text(entry["personal"]));
      const KeyEntry* key = keys.find(row.bytes(Column::personal_key_id));
      ASSERT_NE(key, nullptr);
      const auto commitment = sealer.commitment(*key, tenant, row.bytes(Column::event_id), row);
      EXPECT_EQ(commitment.has_value(), !entry["commitment"].is_null());
      if (commitment) {
        EXPECT_EQ(to_hex(as_bytes(*commitment)), text(entry["commitment"]));
      }
      ++rows;
    }
  }
  EXPECT_GE(rows, 40u);
}

/// A row as a decoder leaves it, for sealing.
class Sealing : public testing::Test {
 protected:
  static Timestamp at(std::int64_t second) { return Timestamp(std::chrono::seconds(second)); }

  Row identified(Timestamp timestamp, std::string_view user = "u-1") {
    Row row;
    row.set_text(Column::event_id, "01JB0000000000000000000041");
    if (!user.empty()) row.set_text(Column::user_id, user);
    Record record{};
    record.timestamp = timestamp;
    record.value = "{}";
    sealer_.identify(record, "acme", row);
    return row;
  }

  const Keyring keys_ = keyring();
  Sealer sealer_{keys_};
};

TEST_F(Sealing, TheKeyInForceAtTheRecordsTimeIsNamedInEveryRow) {
  EXPECT_EQ(identified(at(0)).bytes(Column::personal_key_id), "2026q3");
  EXPECT_EQ(identified(at(1'790'812'799)).bytes(Column::personal_key_id), "2026q3");
  EXPECT_EQ(identified(at(1'790'812'800), "").bytes(Column::personal_key_id), "2026q4");
}

TEST_F(Sealing, AChainBeginsAtSeqZeroAfterZeroBytes) {
  Row row = identified(at(1'790'900'000));
  Head head;
  const Checksum checksum = sealer_.seal("acme", at(1'790'900'000), row, head);
  EXPECT_EQ(head, (Head{Seq(0), checksum, at(1'790'900'000)}));
  EXPECT_EQ(checksum, sealer_.checksum("acme", Seq(0), Checksum{}, row));
}

TEST_F(Sealing, EachRowCoversTheChecksumBefore) {
  Row a = identified(at(1'790'900'000));
  Row b = identified(at(1'790'900'001));
  Head head;
  const Checksum before = sealer_.seal("acme", at(1'790'900'000), a, head);
  const Checksum after = sealer_.seal("acme", at(1'790'900'001), b, head);
  EXPECT_EQ(head.seq, Seq(1));
  EXPECT_EQ(after, sealer_.checksum("acme", Seq(1), before, b));
}

TEST_F(Sealing, RecordedAtNeverLiesBeforeTheHeads) {
  Row row = identified(at(1'790'900'000));
  Head head{Seq(7), {}, at(1'790'900'005)};
  sealer_.seal("acme", at(1'790'900'000), row, head);
  EXPECT_EQ(row.timestamp_value(Column::recorded_at), at(1'790'900'005));
  EXPECT_EQ(head.recorded_at, at(1'790'900'005));
}

TEST_F(Sealing, SealingAgainBehindAnotherHeadGivesWhatThatHeadAloneGives) {
  Row once = identified(at(1'790'900'000));
  Row twice = once;
  Head other{Seq(41), {1, 2, 3}, at(0)};
  Head lost{Seq(3), {9}, at(1'800'000'000)};
  Head same = other;
  sealer_.seal("acme", at(1'790'900'000), twice, lost);
  EXPECT_EQ(sealer_.seal("acme", at(1'790'900'000), twice, other),
            sealer_.seal("acme", at(1'790'900'000), once, same));
  EXPECT_EQ(other, same);
}

TEST_F(Sealing, WithoutPersonalValuesThereIsNoCommitment) {
  Row row = identified(at(1'790'900'000), "");
  Head head;
  sealer_.seal("acme", at(1'790'900'000), row, head);
  EXPECT_FALSE(row.has(Column::personal_commitment));
}

TEST_F(Sealing, ErasingPersonalValuesLeavesTheChecksum) {
  Row row = identified(at(1'790'900'000));
  Head head;
  const Checksum sealed = sealer_.seal("acme", at(1'790'900'000), row, head);
  row.clear(Column::user_id);
  EXPECT_EQ(sealer_.checksum("acme", Seq(0), Checksum{}, row), sealed);
}

TEST_F(Sealing, TheCommitmentDependsOnKeyTenantEventAndEveryPersonalColumn) {
  const Row row = identified(at(1'790'900'000));
  const KeyEntry& key = *keys_.find("2026q4");
  const auto commitment = sealer_.commitment(key, "acme", "event-1", row);
  ASSERT_TRUE(commitment);
  EXPECT_NE(commitment, sealer_.commitment(*keys_.find("2026q3"), "acme", "event-1", row));
  EXPECT_NE(commitment, sealer_.commitment(key, "acmf", "event-1", row));
  EXPECT_NE(commitment, sealer_.commitment(key, "acme", "event-2", row));
  for (const ColumnInfo& column : kColumns) {
    if (!column.personal || column.type != ColumnType::text) continue;
    Row changed = row;
    changed.set_text(column.column, "other");
    EXPECT_NE(commitment, sealer_.commitment(key, "acme", "event-1", changed)) << column.name;
  }
}

TEST_F(Sealing, TenantKeysAreKeptWithinTheirBoundAndStayTheSame) {
  Record record{};
  record.value = "{}";
  const KeyEntry& key = *keys_.find("2026q4");
  const SourceDigest before = sealer_.source_digest(&key, "tenant-0", record);
  for (std::size_t i = 0; i <= Sealer::kMaxTenantKeys; ++i) {
    sealer_.source_digest(&key, "tenant-" + std::to_string(i), record);
  }
  EXPECT_EQ(sealer_.source_digest(&key, "tenant-0", record), before);
}

TEST(ChainColumns, AreThoseOfTheRegistryFile) {
  constexpr std::string_view kTypes[] = {"",      "text",    "int64", "timestamp", "bool",
                                         "bytes", "decimal", "json",  "ip"};
  simdjson::dom::parser parser;
  const element registry = parser.load(SEALSTREAM_SOURCE_DIR "/schemas/chain-v1.columns.json");
  std::size_t i = 0;
  for (const element column : registry["columns"].get_array()) {
    ASSERT_LT(i, kColumns.size());
    const ColumnInfo& known = kColumns[i++];
    EXPECT_EQ(column["id"].get_int64().value(), static_cast<std::int64_t>(known.column));
    EXPECT_EQ(text(column["name"]), known.name);
    EXPECT_EQ(text(column["type"]), kTypes[static_cast<std::size_t>(known.type)]);
    EXPECT_EQ(column["personal"].get_bool().value(), known.personal);
  }
  EXPECT_EQ(i, kColumns.size());
}

}  // namespace
}  // namespace sealstream
