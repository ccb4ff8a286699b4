// The statements of the one transaction that write usage_records and api_keys (schemas/read-models.md).
#pragma once

#include <vector>

#include "postgres/parameter.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// What the rows of a batch add to usage and say of keys: three statements at most, none without such rows.
/// They come behind the heads of the rows' tenants, whose locks let one writer at a time to a tenant's rows
/// here, and each goes through its keys in the order of their bytes.
std::vector<Statement> read_model_statements(const std::vector<SealedRow>& rows);

}  // namespace sealstream
