// The configuration. Input: variables of the environment as NAME=VALUE on a line each, an empty line, the
// YAML.
//
// What is accepted, printed and read again is the same configuration; what is refused is refused in
// sentences.
#include "app/config.h"

#include "app/config_error.h"
#include "app/config_print.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealstream;
  fuzz::Input input(data, size);
  Environment environment;
  for (std::string_view line = input.line(); !line.empty(); line = input.line()) {
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  try {
    const Config config = make_config("fuzz.yaml", std::string(input.all()), environment);
    const Config again = make_config("fuzz.yaml", effective_yaml(config), {});
    fuzz::demand(effective_json(again) == effective_json(config),
                 "what is in force can be printed and read again");
  } catch (const ConfigError& error) {
    fuzz::demand(!error.findings().empty(), "a refusal says why");
    for (const std::string& finding : error.findings()) {
      fuzz::demand(finding.find_first_of("\n\r\033") == std::string::npos,
                   "a finding is one line, and safe on a terminal");
    }
  }
  return 0;
}
