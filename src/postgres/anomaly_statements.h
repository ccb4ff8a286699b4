// The statements of the one transaction that find and resolve anomalies of keys (schemas/read-models.md). The
// rules are functions of the database: migrations/0007.
#pragma once

#include <optional>
#include <vector>

#include "postgres/answer.h"
#include "postgres/parameter.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// Judges the windows that `steps` close. Comes after the COPY of the rows that the steps speak of.
Statement judge_statement(const std::vector<WindowStep>& steps);
/// What judge_statement was answered.
std::vector<AnomalyCount> read_anomalies(const Answer& answer);

/// Resolves the anomalies that events among `rows` name; nothing where none does. Comes after
/// judge_statement.
std::optional<Statement> resolve_statement(const std::vector<SealedRow>& rows);

}  // namespace sealstream
