// sealstream: seals audit events from Kafka into PostgreSQL, exactly once. Everything starts in cli.h.
#include <sys/prctl.h>
#include <unistd.h>

#include <iostream>

#include "app/cli.h"
#include "app/exit_codes.h"

namespace {

sealstream::Environment read_environment() {
  sealstream::Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  // A core would hold passwords and what records held before their secrets were replaced. RLIMIT_CORE does
  // not concern cores that are piped to a program, so nothing may dump this process, nor read its memory.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return sealstream::kExitBug;
  const sealstream::Environment environment = read_environment();
  const auto no_color = environment.find("NO_COLOR");
  const bool wanted = no_color == environment.end() || no_color->second.empty();
  const bool live = ::isatty(STDERR_FILENO) == 1;
  const std::vector<std::string> words(argv + 1, argv + argc);
  return sealstream::run_cli(words, environment, {std::cout, std::cerr, wanted && live, live});
}
