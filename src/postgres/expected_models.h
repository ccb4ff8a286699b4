// What the ledger says of the read models that no view can say, in temporary tables of one transaction: the
// erased rows, and keys' windows judged again from the first one on, by the database's own function and
// nothing but the ledger.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "postgres/connection.h"

namespace sealstream {

/// All calls throw DatabaseError. Works as audit_auditor and audit_rebuilder.
class ExpectedModels {
 public:
  explicit ExpectedModels(Connection& connection) : connection_(connection) {}

  /// Why they cannot be computed in this session, in one sentence; empty where they can. Inside or outside a
  /// transaction.
  std::string obstacle();

  /// Notes the erased rows of `tenant`, or of all. Reads its whole ledger. What this and prepare_windows()
  /// make lives until the transaction ends, which must be READ WRITE until then; but for functions: see
  /// drop().
  void find_erased(const std::optional<std::string>& tenant);

  /// Makes empty tables for keys' windows, what they are judged by, and what was found.
  void prepare_windows();

  /// Judges the tenant's windows that close with its rows behind the one at `after`, and resolves what those
  /// resolve; reads no other rows but those of the minutes that close. Returns the seq of the last row, which
  /// is `after` of the next call for the tenant; of the first it is kNothing.
  /// Precondition: prepared.
  static constexpr std::int64_t kNothing = -1;
  std::int64_t judge(const std::string& tenant, std::int64_t after = kNothing);

  /// Drops the functions, before a COMMIT.
  void drop();

 private:
  std::int64_t read_steps(const std::string& tenant, std::int64_t after);

  Connection& connection_;
};

}  // namespace sealstream
