// Which heads and events the database holds: the statements of the prepare round trip, and their answers.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/answer.h"
#include "postgres/parameter.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

Statement chains_query(std::span<const std::string_view> tenants);
/// Places what chains_query was answered into `chains`, in the order asked.
void read_chains(const Answer& answer, std::vector<ChainState>& chains);

/// All leaves of the ledger.
Statement leaves_query();
std::vector<std::string> read_leaves(const Answer& answer);

/// Whether any of `ids` must be looked up in `leaf`.
bool concerns(std::span<const IdQuery> ids, std::string_view leaf);
/// Looks up those of `ids` that concern `leaf`. Precondition: `leaf` came from read_leaves.
Statement ids_query(std::span<const IdQuery> ids, const std::string& leaf);
/// Places what ids_query was answered into `stored`, in the order asked. What was found before stays.
void read_stored(const Answer& answer, std::vector<std::optional<StoredEvent>>& stored);

}  // namespace sealstream
