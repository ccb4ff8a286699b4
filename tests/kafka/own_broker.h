// A broker of one test's own, which it may kill, pause and start again.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

namespace sealstream::test {

class OwnBroker {
 public:
  OwnBroker();
  ~OwnBroker();
  OwnBroker(const OwnBroker&) = delete;
  OwnBroker& operator=(const OwnBroker&) = delete;

  const std::string& address() const { return address_; }
  void kill() { command("kill"); }
  void pause() { command("pause"); }
  void resume() { command("resume"); }
  void start() { command("start"); }

 private:
  void command(const std::string& name);
  std::string read_line();

  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
  pid_t keeper_ = -1;
  std::string address_;
};

}  // namespace sealstream::test
