// version and print-config: what can be said without asking anyone.
#include <ostream>

#include "app/commands.h"
#include "app/config_print.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "postgres/migrations.h"
#include "sealstream/core/event.h"

namespace sealstream {

int version_command(bool json, const Terminal& terminal) {
  if (!json) {
    terminal.out << "sealstream " << SEALSTREAM_VERSION << "\n"
                 << "schema version " << known_schema_version() << ", rules version " << kRulesVersion
                 << ", row format v1\n";
    return kExitOk;
  }
  JsonWriter writer;
  writer.begin_object()
      .member("version", SEALSTREAM_VERSION)
      .member("schema_version", known_schema_version());
  writer.member("rules_version", kRulesVersion).member("row_format", "v1").end_object();
  terminal.out << writer.text() << "\n";
  return kExitOk;
}

int print_config_command(const std::function<Config()>& load, const PrintConfigRequest& request,
                         const Terminal& terminal) {
  if (request.example) {
    terminal.out << example_yaml();
  } else if (request.schema) {
    terminal.out << config_schema();
  } else {
    const Config config = load();
    terminal.out << (request.json ? effective_json(config) : effective_yaml(config));
  }
  return kExitOk;
}

}  // namespace sealstream
