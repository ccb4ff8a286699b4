// How differences between read models and the ledger are told: to people, and as JSON.
#pragma once

#include <string>

#include "app/json_writer.h"
#include "postgres/read_model_check.h"

namespace sealstream {

/// How many rows a table holds, which differ, and what was not compared. Whole lines; no personal value.
std::string read_model_text(const ReadModelCheck& check);

/// The same as one JSON object.
void write_read_models(JsonWriter& json, const ReadModelCheck& check);

}  // namespace sealstream
