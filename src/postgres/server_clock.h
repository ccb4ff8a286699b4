// What time the server thinks it is.
#pragma once

#include "postgres/connection.h"
#include "sealstream/core/ids.h"

namespace sealstream {

/// The server's clock at about the middle of the call. Any role may ask. Throws LedgerError.
Timestamp server_clock(Connection& connection);

}  // namespace sealstream
