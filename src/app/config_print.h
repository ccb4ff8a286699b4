// The configuration as text: what is in force, the example file, the JSON Schema. All from the one table.
#pragma once

#include <string>

#include "app/config.h"

namespace sealstream {

/// What is in force, as YAML that can be read again, with where each value came from. Secrets, which lie in
/// files, stand as *** in comments; one that stands where none belongs is replaced by its rule.
std::string effective_yaml(const Config& config);

/// The same as one JSON object, nested as the file is, with "***" in the place of each secret.
std::string effective_json(const Config& config);

/// deploy/sealstream.example.yaml: every key with its default and effect.
std::string example_yaml();

/// schemas/sealstream.config.schema.json: JSON Schema 2020-12 of the file.
std::string config_schema();

}  // namespace sealstream
