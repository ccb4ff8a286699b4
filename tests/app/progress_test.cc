// Goal: a long command says how far it is: to a person on one line, to a program as JSON, and a short one
// says nothing. Method: a clock that the test moves, and the text on standard error.
#include "app/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sealstream {
namespace {

using std::chrono::milliseconds;

class ProgressTest : public testing::Test {
 protected:
  Progress::Clock clock() {
    return [this] { return now_; };
  }

  std::ostringstream out_, err_;
  std::chrono::steady_clock::time_point now_{milliseconds(1)};
};

TEST_F(ProgressTest, ACommandThatEndsSoonSaysNothing) {
  const Terminal terminal{out_, err_};
  Progress progress(terminal, "rebuild", clock());
  progress.at(0, 4, "usage");
  now_ += milliseconds(9'000);
  progress.at(3, 4, "keys");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ProgressTest, ElsewhereALineOfJsonComesEveryTenSeconds) {
  const Terminal terminal{out_, err_};
  Progress progress(terminal, "rebuild", clock());
  progress.at(0, 4, "usage");
  now_ += milliseconds(10'000);
  progress.tick();
  progress.tick();
  now_ += milliseconds(10'000);
  progress.at(1, 4, "keys");
  EXPECT_EQ(err_.str(),
            "{\"task\":\"rebuild\",\"now\":\"usage\",\"done\":0,\"all\":4,\"seconds_left\":null}\n"
            "{\"task\":\"rebuild\",\"now\":\"keys\",\"done\":1,\"all\":4,\"seconds_left\":60}\n");
}

TEST_F(ProgressTest, OnATerminalOneLineIsWrittenOverAndWipedInTheEnd) {
  const Terminal terminal{out_, err_, false, true};
  {
    Progress progress(terminal, "rebuild", clock());
    progress.at(1, 4, "keys");
    now_ += milliseconds(500);
    progress.tick();
  }
  EXPECT_EQ(err_.str(), "\r\033[Krebuild: keys, 1 of 4, 2/s, 2 s left\r\033[K");
}

}  // namespace
}  // namespace sealstream
