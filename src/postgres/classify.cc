#include "postgres/classify.h"

#include <initializer_list>

namespace sealstream {
namespace {

bool in_classes(std::string_view sqlstate, std::initializer_list<std::string_view> prefixes) {
  for (const auto prefix : prefixes) {
    if (sqlstate.starts_with(prefix)) return true;
  }
  return false;
}

bool of_leaf(std::string_view constraint, std::string_view ending) {
  return constraint.starts_with("ledger_") && constraint.ends_with(ending);
}

LedgerFault classify_integrity(std::string_view sqlstate, std::string_view constraint) {
  if (sqlstate == "23505") {
    if (of_leaf(constraint, "_seq_key") || constraint == "chain_heads_pkey") {
      return LedgerFault::head_conflict;
    }
    if (of_leaf(constraint, "_event_id_key")) return LedgerFault::duplicate;
  }
  if (sqlstate == "23502") return LedgerFault::row;
  if (sqlstate == "23514" && of_leaf(constraint, "_check")) return LedgerFault::row;
  return LedgerFault::ours;
}

}  // namespace

LedgerFault classify(std::string_view sqlstate, std::string_view constraint, Phase phase) {
  const bool session_ended = sqlstate.empty() || in_classes(sqlstate, {"08", "57P"});
  if (phase == Phase::commit_sent && session_ended) return LedgerFault::in_doubt;
  if (session_ended) return LedgerFault::unavailable;
  if (sqlstate == "SL001") return LedgerFault::head_conflict;
  if (sqlstate == "SL002") return LedgerFault::fenced;
  if (in_classes(sqlstate, {"23"})) return classify_integrity(sqlstate, constraint);
  if (in_classes(sqlstate, {"22", "54"})) return LedgerFault::row;
  if (in_classes(sqlstate, {"25006", "40", "53", "55P03", "57", "58"})) return LedgerFault::unavailable;
  if (in_classes(sqlstate, {"28", "3D", "3F", "42"})) return LedgerFault::misconfigured;
  return LedgerFault::ours;
}

LedgerError to_ledger_error(const DatabaseError& error, Phase phase) {
  return {classify(error.sqlstate(), error.constraint(), phase), error.sqlstate(), error.constraint(),
          error.what()};
}

}  // namespace sealstream
