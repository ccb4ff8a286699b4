#include "postgres/ledger_reader.h"

#include <libpq-fe.h>

#include "core/big_endian.h"
#include "postgres/answer.h"
#include "postgres/classify.h"

namespace sealstream {
namespace {

constexpr std::string_view kCopySignature("PGCOPY\n\xFF\r\n\0", 11);

struct FreeMemory {
  void operator()(char* memory) const { PQfreemem(memory); }
};
using Memory = std::unique_ptr<char, FreeMemory>;

[[noreturn]] void fail(const std::string& sqlstate, std::string message) {
  message.erase(message.find_last_not_of('\n') + 1);
  throw to_ledger_error(DatabaseError(sqlstate, "", message, sqlstate.empty()), Phase::statements);
}

[[noreturn]] void malformed(std::string_view what) {
  fail("08P01", "PostgreSQL sent what the protocol does not allow: " + std::string(what));
}

void expect(const Answer& answer, ExecStatusType status) {
  if (PQresultStatus(answer.get()) == status) return;
  const char* sqlstate = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  fail(sqlstate ? sqlstate : "", PQresultErrorMessage(answer.get()));
}

std::int64_t int64_of(std::string_view bytes) {
  if (bytes.size() != 8) malformed("an integer");
  return static_cast<std::int64_t>(read_big_endian<std::uint64_t>(bytes));
}

std::string text_at(const Answer& answer, int row, int column) {
  return std::string(bytes_at(answer, row, column));
}

std::string_view sql_type(ColumnType type) {
  switch (type) {
    case ColumnType::text:
      return "text";
    case ColumnType::int64:
      return "bigint";
    case ColumnType::timestamp:
      return "timestamp with time zone";
    case ColumnType::boolean:
      return "boolean";
    case ColumnType::bytes:
      return "bytea";
    case ColumnType::decimal:
      return "numeric";
    case ColumnType::json:
      return "jsonb";
    case ColumnType::ip:
      return "inet";
  }
  return "";
}

/// Cuts fields off the front of one CopyData message.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::string_view take(std::size_t size) {
    if (rest_.size() < size) malformed("a cut COPY message");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::int16_t count() { return static_cast<std::int16_t>(read_big_endian<std::uint16_t>(take(2))); }
  std::optional<std::string_view> field() {
    const auto length = static_cast<std::int32_t>(read_big_endian<std::uint32_t>(take(4)));
    if (length < 0) return std::nullopt;
    return take(static_cast<std::size_t>(length));
  }

 private:
  std::string_view rest_;
};

void set(Row& row, const ColumnInfo& column, std::string_view bytes) {
  switch (column.type) {
    case ColumnType::text:
      return row.set_text(column.column, bytes);
    case ColumnType::int64:
      return row.set_int(column.column, int64_of(bytes));
    case ColumnType::timestamp:
      return row.set_timestamp(column.column, from_postgres_time(int64_of(bytes)));
    case ColumnType::boolean:
      return row.set_bool(column.column, bytes != std::string_view("\0", 1));
    case ColumnType::bytes:
      return row.set_bytes(column.column, bytes);
    case ColumnType::decimal:
      return row.set_decimal(column.column, bytes);
    case ColumnType::json:  // behind the version byte of jsonb_send
      if (!bytes.starts_with('\1')) malformed("jsonb of an unknown version");
      return row.set_json(column.column, bytes.substr(1));
    case ColumnType::ip:
      return row.set_ip(column.column, bytes);
  }
}

constexpr int kHeaderFields = 4;

/// The ledger's columns as rows() selects them; jsonb and inet come in the form of their send functions.
std::string select_list() {
  std::string list = "tenant_id, seq, prev_checksum, checksum";
  for (const ColumnInfo& column : kColumns) {
    const std::string name(column.name);
    list += column.type == ColumnType::decimal ? ", trim_scale(" + name + ")::text" : ", " + name;
  }
  return list;
}

void read_row(Fields& fields, StoredRow& stored) {
  stored.tenant = fields.field();
  const auto seq = fields.field();
  stored.seq = seq ? std::optional(Seq(int64_of(*seq))) : std::nullopt;
  stored.prev_checksum = fields.field();
  stored.checksum = fields.field();
  stored.row.clear();
  for (const ColumnInfo& column : kColumns) {
    if (const auto bytes = fields.field()) set(stored.row, column, *bytes);
  }
}

/// Reads binary COPY, message by message.
class CopiedRows {
 public:
  bool ended() const { return ended_; }

  void read(std::string_view message, const std::function<void(const StoredRow&)>& take) {
    Fields fields(message);
    if (!begun_) read_header(fields);
    while (!fields.empty()) {
      const std::int16_t count = fields.count();
      if (ended_ || (count != kRowFields && count != kEnd)) malformed("a COPY row");
      ended_ = count == kEnd;
      if (ended_) continue;
      read_row(fields, stored_);
      take(stored_);
    }
  }

 private:
  static constexpr std::int16_t kRowFields = kHeaderFields + static_cast<std::int16_t>(kColumnCount);
  static constexpr std::int16_t kEnd = -1;

  void read_header(Fields& fields) {
    if (fields.take(kCopySignature.size()) != kCopySignature) malformed("a COPY header");
    fields.take(4);
    fields.take(read_big_endian<std::uint32_t>(fields.take(4)));
    begun_ = true;
  }

  StoredRow stored_;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

struct LedgerReader::Connection {
  explicit Connection(const ConnectionOptions& options)
      : connection(PQconnectdb(connection_string(options).c_str())) {
    if (PQstatus(connection.get()) != CONNECTION_OK) fail("", PQerrorMessage(connection.get()));
  }

  void run(const char* statement) { expect(Answer(PQexec(get(), statement)), PGRES_COMMAND_OK); }

  Answer query(const std::string& statement) { return query(statement, 0, nullptr); }

  /// $1 is the parameter, or NULL.
  Answer query(const std::string& statement, const std::optional<std::string>& parameter) {
    return query(statement, 1, parameter ? parameter->c_str() : nullptr);
  }

  std::string literal(const std::string& text) {
    const Memory quoted(PQescapeLiteral(get(), text.data(), text.size()));
    if (!quoted) fail("22021", PQerrorMessage(get()));
    return quoted.get();
  }

  /// Calls `take` with the bytes of every CopyData message.
  void copy_out(const std::string& statement, const std::function<void(std::string_view)>& take) {
    expect(Answer(PQexec(get(), statement.c_str())), PGRES_COPY_OUT);
    char* bytes = nullptr;
    int size = 0;
    while ((size = PQgetCopyData(get(), &bytes, 0)) > 0) {
      const Memory message(bytes);
      take({bytes, static_cast<std::size_t>(size)});
    }
    if (size == -2) fail("", PQerrorMessage(get()));
    expect(Answer(PQgetResult(get())), PGRES_COMMAND_OK);
    while (Answer(PQgetResult(get()))) continue;
  }

 private:
  struct Finish {
    void operator()(PGconn* open) const { PQfinish(open); }
  };

  PGconn* get() const { return connection.get(); }

  Answer query(const std::string& statement, int parameters, const char* value) {
    Answer answer(PQexecParams(get(), statement.c_str(), parameters, nullptr, &value, nullptr, nullptr, 1));
    expect(answer, PGRES_TUPLES_OK);
    return answer;
  }

  std::unique_ptr<PGconn, Finish> connection;
};

std::vector<LiveColumn> expected_columns() {
  std::vector<LiveColumn> columns = {
      {"tenant_id", "text"}, {"seq", "bigint"}, {"prev_checksum", "bytea"}, {"checksum", "bytea"}};
  for (const ColumnInfo& column : kColumns) {
    columns.push_back({std::string(column.name), std::string(sql_type(column.type))});
  }
  return columns;
}

LedgerReader::LedgerReader(const ConnectionOptions& options) : LedgerReader(options, "") {}

std::unique_ptr<LedgerReader> LedgerReader::another() {
  return std::unique_ptr<LedgerReader>(new LedgerReader(options_, snapshot()));
}

LedgerReader::LedgerReader(const ConnectionOptions& options, const std::string& snapshot) try
    : options_(options), connection_(std::make_unique<Connection>(options)) {
  connection_->run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  if (!snapshot.empty()) {
    connection_->run(("SET TRANSACTION SNAPSHOT " + connection_->literal(snapshot)).c_str());
  }
  connection_->run("SET LOCAL search_path = pg_catalog, pg_temp");
  connection_->run("SET LOCAL statement_timeout = 0");
  connection_->run("SET LOCAL idle_in_transaction_session_timeout = 0");
} catch (const DatabaseError& error) {
  throw to_ledger_error(error, Phase::connect);
}

LedgerReader::~LedgerReader() = default;

std::string LedgerReader::snapshot() {
  return text_at(connection_->query("SELECT pg_export_snapshot()"), 0, 0);
}

std::vector<LiveColumn> LedgerReader::columns() {
  const Answer answer = connection_->query(
      "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute"
      " WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
  std::vector<LiveColumn> columns;
  columns.reserve(static_cast<std::size_t>(row_count(answer)));
  for (int i = 0; i < row_count(answer); ++i)
    columns.push_back({text_at(answer, i, 0), text_at(answer, i, 1)});
  return columns;
}

void LedgerReader::rows(const RowFilter& filter, const std::function<void(const StoredRow&)>& take) {
  std::string condition = "true";
  if (filter.tenant) condition += " AND tenant_id = " + connection_->literal(*filter.tenant);
  if (filter.from_tenant)
    condition += " AND tenant_id COLLATE \"C\" >= " + connection_->literal(*filter.from_tenant);
  if (filter.before_tenant)
    condition += " AND tenant_id COLLATE \"C\" < " + connection_->literal(*filter.before_tenant);
  if (filter.from_tenant && !filter.before_tenant) condition = "(" + condition + " OR tenant_id IS NULL)";
  if (filter.recorded_since) {
    const std::int64_t since = filter.recorded_since->time_since_epoch().count();
    condition += " AND recorded_at >= timestamptz '1970-01-01 00:00:00+00' + " + std::to_string(since) +
                 " * interval '1 microsecond'";
  }
  CopiedRows copied;
  connection_->copy_out("COPY (SELECT " + select_list() + " FROM audit.ledger WHERE " + condition +
                            " ORDER BY tenant_id COLLATE \"C\", seq, recorded_at) TO STDOUT (FORMAT binary)",
                        [&](std::string_view message) { copied.read(message, take); });
  if (!copied.ended()) malformed("a COPY without its end");
}

std::vector<StoredHead> LedgerReader::heads(const std::optional<std::string>& tenant) {
  const Answer answer = connection_->query(
      "SELECT coalesce(tenant_id, ''), coalesce(seq, -1), coalesce(checksum, ''),"
      " coalesce(recorded_at, '-infinity'), coalesce(events, 0), coalesce(quarantined, 0)"
      " FROM audit.chain_heads WHERE $1::text IS NULL OR tenant_id = $1",
      tenant);
  std::vector<StoredHead> heads;
  heads.reserve(static_cast<std::size_t>(row_count(answer)));
  for (int i = 0; i < row_count(answer); ++i) {
    heads.push_back({text_at(answer, i, 0), Seq(int8_at(answer, i, 1)), text_at(answer, i, 2),
                     from_postgres_time(int8_at(answer, i, 3)), int8_at(answer, i, 4),
                     int8_at(answer, i, 5)});
  }
  return heads;
}

std::vector<StoredPartition> LedgerReader::partitions() {
  constexpr std::string_view kWanted =
      "SELECT topic, log_epoch, partition::bigint, first_offset, next_offset,"
      " accepted, duplicate, quarantined, skipped, lost, ";
  constexpr std::string_view kSaid =
      "EXISTS (SELECT FROM audit.ledger AS l WHERE l.tenant_id = '_sealstream' AND l.event_id = e.event_id"
      " AND l.family = 'admin' AND l.action = 'reset' AND l.resource_type = 'partition'"
      " AND l.detail -> 'rows' = to_jsonb(e.lost)) FROM audit.partition_epochs AS e";
  const Answer answer =
      connection_->query(std::string(kWanted) + "lost = 0 FROM audit.partitions UNION ALL " +
                         std::string(kWanted) + std::string(kSaid) + " ORDER BY 1, 3, 2");
  std::vector<StoredPartition> partitions;
  partitions.reserve(static_cast<std::size_t>(row_count(answer)));
  for (int i = 0; i < row_count(answer); ++i) {
    partitions.push_back({text_at(answer, i, 0), LogEpoch(int8_at(answer, i, 1)),
                          Partition(static_cast<std::int32_t>(int8_at(answer, i, 2))),
                          Offset(int8_at(answer, i, 3)), Offset(int8_at(answer, i, 4)), int8_at(answer, i, 5),
                          int8_at(answer, i, 6), int8_at(answer, i, 7), int8_at(answer, i, 8),
                          int8_at(answer, i, 9), bool_at(answer, i, 10)});
  }
  return partitions;
}

std::vector<RepeatedId> LedgerReader::repeated_ids(const std::optional<std::string>& tenant, int limit) {
  const Answer answer = connection_->query(
      "SELECT tenant_id, event_id, min(seq), max(seq), count(*) FROM audit.ledger"
      " WHERE ($1::text IS NULL OR tenant_id = $1) AND tenant_id IS NOT NULL AND event_id IS NOT NULL"
      " GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2 LIMIT " +
          std::to_string(limit),
      tenant);
  std::vector<RepeatedId> repeated;
  repeated.reserve(static_cast<std::size_t>(row_count(answer)));
  for (int i = 0; i < row_count(answer); ++i) {
    repeated.push_back({text_at(answer, i, 0), text_at(answer, i, 1), Seq(int8_at(answer, i, 2)),
                        Seq(int8_at(answer, i, 3)), int8_at(answer, i, 4)});
  }
  return repeated;
}

}  // namespace sealstream
