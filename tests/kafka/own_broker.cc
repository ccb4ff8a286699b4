#include "own_broker.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace sealstream::test {

OwnBroker::OwnBroker() {
  const std::string script = std::string(SEALSTREAM_SOURCE_DIR) + "/tests/kafka/own_broker.py";
  const std::string deploy = std::string(SEALSTREAM_SOURCE_DIR) + "/deploy";
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  keeper_ = fork();
  if (keeper_ == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    execlp("python3", "python3", script.c_str(), deploy.c_str(), nullptr);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  commands_ = fdopen(to[1], "w");
  answers_ = fdopen(from[0], "r");
  address_ = read_line();
}

OwnBroker::~OwnBroker() {
  std::fclose(commands_);
  waitpid(keeper_, nullptr, 0);
  std::fclose(answers_);
}

void OwnBroker::command(const std::string& name) {
  std::fprintf(commands_, "%s\n", name.c_str());
  std::fflush(commands_);
  if (read_line() != "done") {
    throw std::runtime_error("the broker did not " + name);
  }
}

std::string OwnBroker::read_line() {
  std::array<char, 256> line{};
  if (std::fgets(line.data(), line.size(), answers_) == nullptr) {
    throw std::runtime_error("the test's own broker is gone");
  }
  std::string text = line.data();
  text.pop_back();
  return text;
}

}  // namespace sealstream::test
