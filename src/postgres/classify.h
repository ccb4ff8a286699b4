// From what the server said to what the lane does next (design: delivery.md, the table of outcomes).
#pragma once

#include <string_view>

#include "postgres/database_error.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// Pure. Decides by SQLSTATE and constraint name alone, never by a message. `sqlstate` is empty where no
/// answer came. In phase commit_sent, an end of the session (08, 57P, no answer) is in_doubt: it may follow
/// the commit. A missing leaf (42P01 in phase copy) is misconfigured here: the ledger makes the leaf and
/// tries again before it asks.
LedgerFault classify(std::string_view sqlstate, std::string_view constraint, Phase phase);

/// The same as an error of the port.
LedgerError to_ledger_error(const DatabaseError& error, Phase phase);

}  // namespace sealstream
