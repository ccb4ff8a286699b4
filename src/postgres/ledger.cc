#include "postgres/ledger.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "ingest/sabotage.h"
#include "postgres/anomaly_statements.h"
#include "postgres/classify.h"
#include "postgres/leaves.h"
#include "postgres/lookup.h"
#include "postgres/read_models.h"
#include "postgres/reading.h"
#include "postgres/write_statements.h"

namespace sealstream {
namespace {

constexpr std::string_view kUndefinedTable = "42P01";
constexpr std::string_view kLockTimeout = "55P03";
constexpr std::string_view kReadOnly = "25006";
constexpr int kClaimTries = 3;

LedgerError refused(LedgerFault fault, const std::string& message) { return {fault, "", "", message}; }

/// Where a pipeline that ends with COMMIT broke off.
Phase phase_of(const PipelineError& error, std::size_t commit_statement) {
  if (mutant("in_doubt_taken_for_aborted")) return Phase::statements;
  const bool commit_is_open = error.answered() ? error.statement() == commit_statement : error.queued();
  return commit_is_open ? Phase::commit_sent : Phase::statements;
}

Claim read_claim(const Answer& answer) {
  Claim claim{LogEpoch(int8_at(answer, 0, 0)), OwnerEpoch(int8_at(answer, 0, 1)),
              Offset(int8_at(answer, 0, 2)), std::nullopt};
  if (!is_null(answer, 0, 3)) claim.last = last_record(Offset(int8_at(answer, 0, 3)), bytes_at(answer, 0, 4));
  if (!is_null(answer, 0, 5)) claim.witness = witness(int8_at(answer, 0, 5), int8_at(answer, 0, 6));
  claim.another_log = bool_at(answer, 0, 7);
  return claim;
}

}  // namespace

PostgresLedger::PostgresLedger(ConnectionOptions options, int schema_version, std::function<void()> tick)
    : connection_(std::move(options), std::move(tick)), schema_version_(schema_version) {}

/// Runs `work` on an open connection; what goes wrong leaves as LedgerError, and no transaction stays open.
/// A server that became read-only is let go of: the next connection may find the one that is not.
template <class Work>
auto PostgresLedger::guarded(Work work) {
  Phase phase = Phase::connect;
  try {
    connection_.open();
    assert(!connection_.in_transaction());
    phase = Phase::statements;
    return work(phase);
  } catch (const DatabaseError& error) {
    connection_.rollback();
    if (error.sqlstate() == kReadOnly) connection_.drop();
    throw to_ledger_error(error, phase);
  } catch (...) {
    connection_.drop();
    throw;
  }
}

std::vector<AnomalyCount> PostgresLedger::commit(const WriteSet& writes) {
  assert(!writes.partitions.empty());
  rows_.encode(writes.rows);
  try {
    return write(writes);
  } catch (const LedgerError& error) {
    if (error.sqlstate() != kUndefinedTable || rows_.leaves().empty()) throw;
    for (const auto* leaf : rows_.leaves()) ensure_leaf(leaf->moment);
    return write(writes);
  }
}

std::vector<AnomalyCount> PostgresLedger::write(const WriteSet& writes) {
  return guarded([&](Phase& phase) {
    phase = Phase::copy;
    copy_rows(writes);
    crash_point("after_copy");
    phase = Phase::statements;
    std::vector<Statement> statements;
    std::optional<std::size_t> judged;
    if (!writes.heads.empty()) statements.push_back(heads_statement(writes.heads));
    for (auto& statement : read_model_statements(writes.rows)) statements.push_back(std::move(statement));
    if (!writes.quarantine.empty()) statements.push_back(quarantine_statement(writes.quarantine));
    if (!writes.steps.empty()) {
      judged = statements.size();
      statements.push_back(judge_statement(writes.steps));
    }
    if (auto resolve = resolve_statement(writes.rows)) statements.push_back(std::move(*resolve));
    if (mutant("offsets_after_the_commit")) statements.push_back({"COMMIT AND CHAIN"});
    statements.push_back(partitions_statement(writes.partitions));
    statements.push_back({"COMMIT"});
    try {
      const auto answers = connection_.run_pipeline(statements);
      if (std::string_view(PQcmdStatus(answers.back().get())) != "COMMIT") {
        throw DatabaseError("25P02", "", "COMMIT was answered with ROLLBACK", false);
      }
      crash_point("commit_answered");
      return judged ? read_anomalies(answers[*judged]) : std::vector<AnomalyCount>{};
    } catch (const PipelineError& error) {
      phase = phase_of(error, statements.size() - 1);
      throw;
    }
  });
}

void PostgresLedger::copy_rows(const WriteSet& writes) {
  connection_.send(open_and_copy_sql(writes));
  auto leaf = rows_.leaves().begin();
  while (const auto answer = connection_.next_answer()) {
    if (PQresultStatus(answer.get()) != PGRES_COPY_IN) continue;
    assert(leaf != rows_.leaves().end());
    crash_point("after_begin");
    connection_.copy((*leaf++)->buffer.bytes());
  }
  assert(leaf == rows_.leaves().end());
}

std::string PostgresLedger::open_and_copy_sql(const WriteSet& writes) {
  std::string topics, partitions, epochs, offsets;
  for (const auto& move : writes.partitions) {
    const char* comma = topics.empty() ? "" : ",";
    topics += comma + connection_.literal(move.id.topic);
    partitions += comma + std::to_string(move.id.partition.value());
    epochs += comma + std::to_string(move.owner_epoch.value());
    offsets += comma + std::to_string(move.from.value());
  }
  std::string sql = begin_sql();
  sql += "SELECT audit.hold(ARRAY[" + topics + "]::text[],ARRAY[" + partitions + "]::int[],ARRAY[" + epochs +
         "]::bigint[],ARRAY[" + offsets + "]::bigint[]);";
  for (const auto* leaf : rows_.leaves()) {
    sql += "COPY audit." + leaf->leaf + " (" + copy_columns() + ") FROM STDIN (FORMAT binary);";
  }
  return sql;
}

void PostgresLedger::ensure_leaf(Timestamp moment) {
  guarded([&](Phase&) {
    connection_.run_one({"SELECT audit.ensure_partition($1)", {Parameter::timestamp(moment)}});
  });
}

void PostgresLedger::ensure_leaves(Timestamp now, int months_ahead) {
  for (int month = 0; month <= months_ahead; ++month) ensure_leaf(month_start(now, month));
}

std::optional<Claim> PostgresLedger::claim(const PartitionId& id, std::string_view owner,
                                           std::optional<Offset> start) {
  for (int attempt = 1;; ++attempt) {
    try {
      return claim_once(id, owner, start);
    } catch (const LedgerError& error) {
      if (error.sqlstate() != kLockTimeout || attempt == kClaimTries) throw;
      end_holder(id);
    }
  }
}

std::optional<Claim> PostgresLedger::claim_once(const PartitionId& id, std::string_view owner,
                                                std::optional<Offset> start) {
  std::string take = "UPDATE audit.partitions AS p";
  std::string where = " WHERE p.topic = $1 AND p.partition = $2";
  std::vector<Parameter> parameters = {Parameter::text(id.topic), Parameter::int4(id.partition.value()),
                                       Parameter::text(owner)};
  if (start) {
    take =
        "INSERT INTO audit.partitions AS p (topic, partition, first_offset, next_offset, owner_epoch, owner)"
        " VALUES ($1, $2, $4, $4, 1, $3) ON CONFLICT (topic, partition) DO UPDATE";
    where.clear();
    parameters.push_back(Parameter::int8(start->value()));
  }
  take += " SET owner_epoch = p.owner_epoch + 1, owner = $3, claimed_at = now(), updated_at = now()" + where +
          " RETURNING log_epoch, owner_epoch, next_offset, last_offset, last_digest, witness_offset, "
          "witness_time, another_log";
  return guarded([&](Phase&) -> std::optional<Claim> {
    const auto answers = connection_.run_pipeline({{"BEGIN ISOLATION LEVEL READ COMMITTED"},
                                                   {"SET LOCAL lock_timeout = '3s'"},
                                                   {"SET LOCAL statement_timeout = '10s'"},
                                                   {take, parameters},
                                                   {"COMMIT"}});
    const auto& taken = answers[3];
    if (row_count(taken) == 0) return std::nullopt;
    return read_claim(taken);
  });
}

void PostgresLedger::keep_another_log(const PartitionId& id, LogEpoch epoch) {
  guarded([&](Phase&) {
    connection_.run_pipeline(
        {{"BEGIN ISOLATION LEVEL READ COMMITTED"},
         {"SET LOCAL lock_timeout = '100ms'"},
         {"UPDATE audit.partitions SET another_log = true, updated_at = now()"
          " WHERE topic = $1 AND partition = $2 AND log_epoch = $3",
          {Parameter::text(id.topic), Parameter::int4(id.partition.value()), Parameter::int8(epoch.value())}},
         {"COMMIT"}});
  });
}

/// Ends the session that holds the partition's row. It is of our own role, so that needs no further right.
void PostgresLedger::end_holder(const PartitionId& id) {
  guarded([&](Phase&) {
    connection_.run_one({R"(SELECT pg_catalog.pg_terminate_backend(holder.pid, 3000)
FROM audit.partitions AS p JOIN pg_catalog.pg_stat_activity AS holder ON holder.backend_xid = p.xmax
WHERE p.topic = $1 AND p.partition = $2 AND holder.usename = current_user)",
                         {Parameter::text(id.topic), Parameter::int4(id.partition.value())}});
  });
}

Prepared PostgresLedger::prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) {
  if (tenants.empty() && ids.empty()) return {};
  try {
    return look_up(tenants, ids);
  } catch (const LedgerError& error) {
    if (error.sqlstate() != kUndefinedTable || leaves_.empty()) throw;
    leaves_.clear();  // a leaf that was known is gone
    return look_up(tenants, ids);
  }
}

/// Heads first: whoever writes an id after they were read moves a head too, and our commit will notice. Ids
/// are asked of the leaves known before, in the same round trip; a leaf that came since costs another.
Prepared PostgresLedger::look_up(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) {
  Prepared prepared{std::vector<ChainState>(tenants.size()),
                    std::vector<std::optional<StoredEvent>>(ids.size())};
  std::vector<Statement> statements;
  std::vector<std::string> asked;
  const auto ask_leaf = [&](const std::string& leaf) {
    if (!concerns(ids, leaf)) return;
    statements.push_back(ids_query(ids, leaf));
    asked.push_back(leaf);
  };
  if (!tenants.empty()) statements.push_back(chains_query(tenants));
  if (!ids.empty()) statements.push_back(leaves_query());
  for (const auto& leaf : leaves_) ask_leaf(leaf);

  guarded([&](Phase&) {
    const auto answers = connection_.run_pipeline(statements);
    std::size_t next = 0;
    if (!tenants.empty()) read_chains(answers[next++], prepared.chains);
    if (!ids.empty()) leaves_ = read_leaves(answers[next++]);
    for (; next < answers.size(); ++next) read_stored(answers[next], prepared.stored);

    statements.clear();
    const auto before = std::exchange(asked, {});
    for (const auto& leaf : leaves_) {
      if (std::find(before.begin(), before.end(), leaf) == before.end()) ask_leaf(leaf);
    }
    if (statements.empty()) return;
    for (const auto& answer : connection_.run_pipeline(statements)) read_stored(answer, prepared.stored);
  });
  return prepared;
}

void PostgresLedger::check() {
  const bool writable = guarded([&](Phase&) {
    const auto answer = connection_.run_one(
        {"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"});
    return !bool_at(answer, 0, 0);
  });
  if (!writable) {
    connection_.drop();
    throw refused(LedgerFault::unavailable, "the database is read-only");
  }
  check_schema_version();
  check_rights();
}

std::vector<std::optional<StoredPosition>> PostgresLedger::positions(
    std::span<const PartitionId> partitions) {
  ArrayParameter topics(PgType::text), numbers(PgType::int4);
  for (const PartitionId& id : partitions) {
    topics.add(id.topic);
    numbers.add_int4(id.partition.value());
  }
  return guarded([&](Phase&) {
    const auto answer = connection_.run_one(
        {"SELECT p.log_epoch, p.next_offset FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS asked "
         "(topic, "
         "partition, place)"
         " LEFT JOIN audit.partitions AS p ON p.topic = asked.topic AND p.partition = asked.partition"
         " ORDER BY asked.place",
         {std::move(topics).finish(), std::move(numbers).finish()}});
    std::vector<std::optional<StoredPosition>> positions;
    for (int row = 0; row < row_count(answer); ++row) {
      auto& position = positions.emplace_back();
      if (is_null(answer, row, 0)) continue;
      position = {LogEpoch(int8_at(answer, row, 0)), Offset(int8_at(answer, row, 1))};
    }
    return positions;
  });
}

void PostgresLedger::check_schema_version() {
  int version = 0;
  try {
    version = guarded(
        [&](Phase&) { return int4_at(connection_.run_one({"SELECT audit.schema_version()"}), 0, 0); });
  } catch (const LedgerError& error) {
    if (error.fault() != LedgerFault::misconfigured) throw;
    throw LedgerError(
        LedgerFault::misconfigured, error.sqlstate(), "",
        "the database is not migrated, or its role may not use the schema audit: run `sealstream "
        "migrate up`");
  }
  if (version == schema_version_) return;
  const auto found = "the database has schema version " + std::to_string(version) + ", this sealstream ";
  const auto known = std::to_string(schema_version_);
  throw refused(LedgerFault::misconfigured, version > schema_version_
                                                ? found + "knows " + known + ": run a newer sealstream"
                                                : found + "needs " + known + ": run `sealstream migrate up`");
}

void PostgresLedger::check_rights() {
  const auto missing = guarded([&](Phase&) {
    const auto answer = connection_.run_one({R"(SELECT coalesce(string_agg(lacking, ', '), '') FROM (
  SELECT format('%s on %s', privilege, object) AS lacking
  FROM (VALUES ('audit.chain_heads', 'SELECT'), ('audit.chain_heads', 'INSERT'),
               ('audit.chain_heads', 'UPDATE'), ('audit.partitions', 'SELECT'),
               ('audit.partitions', 'INSERT'), ('audit.partitions', 'UPDATE'),
               ('audit.quarantine', 'INSERT'), ('audit.usage_records', 'SELECT'),
               ('audit.usage_records', 'INSERT'), ('audit.usage_records', 'UPDATE'),
               ('audit.api_keys', 'SELECT'), ('audit.api_keys', 'INSERT'), ('audit.api_keys', 'UPDATE'),
               ('audit.api_key_activity', 'INSERT'),
               ('audit.api_key_seen', 'INSERT'), ('audit.api_key_attempts', 'INSERT'),
               ('audit.api_key_anomalies', 'INSERT'), ('audit.api_key_anomalies', 'UPDATE'),
               ('audit.api_key_thresholds', 'SELECT')) AS needed (object, privilege)
  WHERE NOT has_table_privilege(object, privilege)
  UNION ALL
  SELECT format('EXECUTE on %s', object)
  FROM (VALUES ('audit.hold(text[],int[],bigint[],bigint[])'), ('audit.expect(boolean,text)'),
               ('audit.ensure_partition(timestamptz)'),
               ('audit.note_key_events(text[],text[],timestamptz[],text[],text[],text[],text[],text[],'
                'text[],text[],text[],text[])'),
               ('audit.judge_key_windows(text[],text[],timestamptz[],timestamptz[],bigint[])'),
               ('audit.resolve_anomalies(text[],text[],bigint[],timestamptz[],text[])')) AS needed (object)
  WHERE NOT has_function_privilege(object, 'EXECUTE')) AS rights)"});
    return std::string(bytes_at(answer, 0, 0));
  });
  if (missing.empty()) return;
  throw LedgerError(LedgerFault::misconfigured, "42501", "",
                    "the database role lacks " + missing + ": run `sealstream migrate up`, or grant it");
}

}  // namespace sealstream
