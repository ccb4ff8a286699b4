// How a command works on the database: a row's columns one after the other, and errors as the ledger's port
// knows them.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "postgres/answer.h"
#include "postgres/classify.h"
#include "postgres/connection.h"
#include "sealstream/core/ids.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// Takes the columns of one row, from left to right.
class RowCursor {
 public:
  RowCursor(const Answer& answer, int row) : answer_(answer), row_(row) {}
  std::string text() { return std::string(bytes_at(answer_, row_, column_++)); }
  std::int32_t int4() { return int4_at(answer_, row_, column_++); }
  std::int64_t int8() { return int8_at(answer_, row_, column_++); }
  bool boolean() { return bool_at(answer_, row_, column_++); }
  Timestamp timestamp() { return from_postgres_time(int8()); }
  template <class Take>
  auto nullable(Take take) -> std::optional<decltype(take(*this))> {
    if (is_null(answer_, row_, column_)) {
      ++column_;
      return std::nullopt;
    }
    return take(*this);
  }

 private:
  const Answer& answer_;
  int row_;
  int column_ = 0;
};

/// `digest` as audit.partitions holds it.
inline LastRecord last_record(Offset offset, std::string_view digest) {
  LastRecord last{offset, {}};
  assert(digest.size() == last.digest.size());
  std::memcpy(last.digest.data(), digest.data(), std::min(digest.size(), last.digest.size()));
  return last;
}

/// `time` as PostgreSQL sends a timestamptz.
inline Witness witness(std::int64_t offset, std::int64_t time) {
  return {Offset(offset), from_postgres_time(time)};
}

/// Opens the connection where it is not open, and returns what `work` returns. Throws LedgerError; no
/// transaction is left open then.
template <class Work>
auto reading(Connection& connection, Work work) {
  Phase phase = Phase::connect;
  try {
    connection.open();
    phase = Phase::statements;
    return work();
  } catch (const DatabaseError& error) {
    connection.rollback();
    throw to_ledger_error(error, phase);
  }
}

}  // namespace sealstream
