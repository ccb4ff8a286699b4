// The tables of the read models as data, and the SQL that compares them with what the ledger says, or writes
// that into them. Pure text: no I/O.
//
// What the ledger says of a table is a relation of its own: a view, or a temporary table that ExpectedModels
// fills. Where rows were erased it cannot say everything any more; the relation then says what is stored
// (schemas/read-models.md, "Erasure"), so that it is neither called a difference nor written over.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealstream {

enum class ReadModel { usage_records, api_keys, api_key_anomalies };
inline constexpr ReadModel kReadModels[] = {ReadModel::usage_records, ReadModel::api_keys,
                                            ReadModel::api_key_anomalies};
std::string_view name(ReadModel model);

struct ReadModelColumn {
  enum class Kind {
    plain,
    personal,  ///< its value is never shown
    json       ///< compared as text
  };
  std::string_view name;
  Kind kind = Kind::plain;
};

struct ReadModelTable {
  ReadModel model;
  std::string_view name;                 ///< in the schema audit
  std::vector<ReadModelColumn> key;      ///< of its primary key; the tenant first
  std::vector<ReadModelColumn> columns;  ///< all others but generated ones
  std::string_view expected;             ///< a query: what should be in it, of every tenant
  /// A time in a row x: once the tenant's watermark is behind it, batches only resolve the row and do not
  /// write it. Empty where they may write every row.
  std::string_view settled_at = {};
};

/// All of them; what others are judged by comes first.
std::span<const ReadModelTable> read_model_tables();

/// $1: the tenant, or NULL for all. One row of bigints: rows stored, rows expected, rows that are missing,
/// that nothing accounts for, that differ.
std::string count_differences_sql(const ReadModelTable& table);

/// $1: the tenant, or NULL. $2: how many rows at most. Of each differing row, by its key: its place (bigint),
/// 'missing', 'unexpected' or 'different', and then, in several rows, its key (column, NULL, value) and
/// what differs (column, value stored, value expected), all text; NULL in place of personal values.
std::string name_differences_sql(const ReadModelTable& table);

/// $1: the tenant, or NULL. One row of bigints: how many stored keys and anomalies an erasure left open.
std::string count_open_sql();

/// $1: the tenant. Makes a temporary table of the tenant's rows that differ, as they are expected to be, and
/// with the version that is stored; it lives until the transaction ends. One statement, so batches, which
/// write ledger and read models together, make no difference.
std::string note_differences_sql(const ReadModelTable& table);

/// How many rows note_differences_sql() noted: one bigint.
std::string count_noted_sql(const ReadModelTable& table);

/// For tables with settled_at, behind note_differences_sql(). $1: the tenant. $2: the seq up to which its
/// windows were judged then. Looks only at the rows that were noted and at those that may have come since,
/// and notes those that differ now.
std::string note_again_sql(const ReadModelTable& table);

/// Makes the rows that were noted last what they are expected to be, but for those whose stored version is
/// another by now. One row of bigints: rows added, changed, removed.
std::string write_noted_sql(const ReadModelTable& table);

}  // namespace sealstream
