#include "postgres/sealed_ledger.h"

#include <arpa/inet.h>

#include <stdexcept>

#include "core/hex.h"

namespace sealstream {
namespace {

constexpr std::int64_t kBegin =
    1'793'491'190;  // ten seconds before November 2026 begins: rows lie in two leaves
constexpr std::string_view kAddress("\2\x20\0\4\xC0\0\2\7", 8);

Keyring one_key() {
  PersonalKey key{};
  key.fill(0x5A);
  return Keyring({KeyEntry{SealedLedger::kKeyId, Timestamp(), key}});
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string bytea(std::string_view bytes) { return "'\\x" + to_hex(bytes) + "'"; }

std::string timestamp(std::int64_t microseconds) {
  return "timestamptz '1970-01-01 00:00:00+00' + " + std::to_string(microseconds) +
         " * interval '1 microsecond'";
}

std::string address(std::string_view encoded) {
  char text[INET6_ADDRSTRLEN];
  const int family = encoded.size() == 8 ? AF_INET : AF_INET6;
  if (inet_ntop(family, encoded.data() + 4, text, sizeof text) == nullptr)
    throw std::runtime_error("no address");
  return quoted(text);
}

std::string literal(const ColumnInfo& column, const Row& row) {
  if (!row.has(column.column)) return "NULL";
  const std::string_view bytes = row.bytes(column.column);
  switch (column.type) {
    case ColumnType::int64:
      return std::to_string(row.int_value(column.column));
    case ColumnType::timestamp:
      return timestamp(row.int_value(column.column));
    case ColumnType::boolean:
      return bytes == std::string_view("\1") ? "true" : "false";
    case ColumnType::bytes:
      return bytea(bytes);
    case ColumnType::ip:
      return address(bytes);
    case ColumnType::text:
    case ColumnType::json:
      return quoted(bytes);
    case ColumnType::decimal:
      return std::string(bytes);
  }
  return "NULL";
}

}  // namespace

SealedLedger::SealedLedger() : keyring_(one_key()), clock_(std::chrono::seconds(kBegin)) {
  run("SET session_replication_role = replica; SET TimeZone = 'UTC'; SET synchronous_commit = off");
  run("SELECT audit.ensure_partition('2026-10-01'), audit.ensure_partition('2026-11-01')");
}

Row SealedLedger::plain_event(std::string_view user) {
  Row row;
  row.set_text(Column::family, "admin");
  row.set_text(Column::action, "config_change");
  row.set_int(Column::schema_version, 1);
  row.set_text(Column::source, "console");
  row.set_text(Column::status, "success");
  row.set_int(Column::rules_version, 1);
  if (!user.empty()) row.set_text(Column::user_id, user);
  return row;
}

Row SealedLedger::full_event() {
  Row row;
  for (const ColumnInfo& column : kColumns) {
    switch (column.type) {
      case ColumnType::text:
        row.set_text(column.column, "text of " + std::string(column.name));
        break;
      case ColumnType::int64:
        row.set_int(column.column, 40 + static_cast<std::int64_t>(column.column));
        break;
      case ColumnType::timestamp:
        row.set_timestamp(column.column, Timestamp(std::chrono::seconds(kBegin)));
        break;
      case ColumnType::boolean:
        row.set_bool(column.column, false);
        break;
      case ColumnType::bytes:
        break;  // set by sealing
      case ColumnType::decimal:
        row.set_decimal(column.column, "0.000225");
        break;
      case ColumnType::json:
        row.set_json(column.column, R"({"a": 1.0, "it's": ["\\", "字"]})");
        break;
      case ColumnType::ip:
        row.set_ip(column.column, kAddress);
        break;
    }
  }
  return row;
}

Seq SealedLedger::append(const std::string& tenant, Row row) {
  clock_ += std::chrono::seconds(1);
  return append(tenant, std::move(row), clock_);
}

Seq SealedLedger::append(const std::string& tenant, Row row, Timestamp timestamp) {
  Chain& chain =
      chains_.try_emplace(tenant, Chain{static_cast<std::int64_t>(chains_.size()), {}}).first->second;
  if (!row.has(Column::event_id)) row.set_text(Column::event_id, "event-" + std::to_string(chain.rows));
  row.set_timestamp(Column::event_time, timestamp);
  row.set_text(Column::kafka_topic, kTopic);
  row.set_int(Column::kafka_log_epoch, 0);
  row.set_int(Column::kafka_partition, chain.partition);
  row.set_int(Column::kafka_offset, chain.rows++);
  Record record{};
  record.timestamp = timestamp;
  sealer_.identify(record, tenant, row);
  const Checksum prev = chain.head.checksum;
  const Checksum checksum = sealer_.seal(tenant, timestamp, row, chain.head);
  insert(tenant, chain.head.seq, prev, checksum, row);
  return chain.head.seq;
}

void SealedLedger::insert(const std::string& tenant, Seq seq, const Checksum& prev, const Checksum& checksum,
                          const Row& row) {
  std::string names = "tenant_id, seq, prev_checksum, checksum";
  std::string values = quoted(tenant) + ", " + std::to_string(seq.value()) + ", " + bytea(as_bytes(prev)) +
                       ", " + bytea(as_bytes(checksum));
  for (const ColumnInfo& column : kColumns) {
    names += ", " + std::string(column.name);
    values += ", " + literal(column, row);
  }
  run("INSERT INTO audit.ledger (" + names + ") VALUES (" + values + ")");
}

void SealedLedger::finish() {
  for (const auto& [tenant, chain] : chains_) {
    run("INSERT INTO audit.chain_heads (tenant_id, seq, checksum, recorded_at, events, base_seq, "
        "base_checksum)"
        " VALUES (" +
        quoted(tenant) + ", " + std::to_string(chain.head.seq.value()) + ", " +
        bytea(as_bytes(chain.head.checksum)) + ", " +
        timestamp(chain.head.recorded_at.time_since_epoch().count()) + ", " + std::to_string(chain.rows) +
        ", -1, " + bytea(as_bytes(Checksum{})) + ")");
    run("INSERT INTO audit.partitions (topic, partition, first_offset, next_offset, owner_epoch, accepted) "
        "VALUES (" +
        quoted(kTopic) + ", " + std::to_string(chain.partition) + ", 0, " + std::to_string(chain.rows) +
        ", 1, " + std::to_string(chain.rows) + ")");
  }
  run("CREATE SCHEMA saved; CREATE TABLE saved.ledger AS TABLE audit.ledger;"
      "CREATE TABLE saved.chain_heads AS TABLE audit.chain_heads;"
      "CREATE TABLE saved.partitions AS TABLE audit.partitions");
}

void SealedLedger::restore() {
  run("DELETE FROM audit.ledger; DELETE FROM audit.chain_heads; DELETE FROM audit.partitions;"
      "INSERT INTO audit.ledger TABLE saved.ledger;"
      "INSERT INTO audit.chain_heads TABLE saved.chain_heads;"
      "INSERT INTO audit.partitions TABLE saved.partitions");
}

}  // namespace sealstream
