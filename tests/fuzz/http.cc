// The admin server, over a real connection. Input: what a client sends; a line "---" cuts it into separate
// writes.
//
// The client gets one whole answer with a code of the server's, or none where it sent no whole request; the
// server serves the next client.
#include <pthread.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <set>
#include <string>

#include "fuzz.h"
#include "http/server.h"

namespace sealstream::fuzz {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::string_view kBody = "the body";

struct World {
  asio::io_context io;
  int answered = 0;           ///< the code of the last answer
  std::uint32_t clients = 0;  ///< so many so far
  HttpServer server{io,
                    "127.0.0.1",
                    0,
                    {{"/livez",
                      [] {
                        return HttpResponse{200, "text/plain", std::string(kBody)};
                      }}},
                    [this](int code) { answered = code; }};
  tcp::endpoint endpoint{asio::ip::make_address("127.0.0.1"), server.port()};
};

/// One client after another from addresses of their own: a port that was used rests for a minute, and one
/// address has 28,000.
asio::ip::address_v4 next_address(World& world) {
  return asio::ip::address_v4(0x7F000001 + world.clients++ % 0x10000);
}

void write(World& world, tcp::socket& client, std::string_view bytes) {
  boost::system::error_code error;
  asio::write(client, asio::buffer(bytes.data(), bytes.size()), error);  // an error: it has answered already
  world.io.restart();
  world.io.poll();
}

/// Everything that the server says until it closes.
std::string read_all(World& world, tcp::socket& client) {
  std::string all;
  char part[4096];
  client.non_blocking(true);
  for (bool open = true; open;) {
    world.io.restart();
    world.io.run_one_for(std::chrono::milliseconds(1));
    boost::system::error_code error;
    const std::size_t count = client.read_some(asio::buffer(part), error);
    all.append(part, count);
    open = !error || error == asio::error::would_block;
  }
  return all;
}

void check(const World& world, const std::string& answer) {
  if (world.answered == 0) return demand(answer.empty(), "what was not answered was not sent");
  static const std::set<int> kCodes = {200, 400, 404, 405, 413, 431, 500};
  demand(kCodes.contains(world.answered), "the code is one of the server's");
  demand(answer.starts_with("HTTP/1.") && answer.find(" " + std::to_string(world.answered) + " ") == 8,
         "a status line");
  demand(answer.find("\r\n\r\n") != std::string::npos, "headers that end");
  demand(answer.find("\r\nX-Content-Type-Options: nosniff\r\n") != std::string::npos,
         "the header of every answer");
}

/// While it lives, libFuzzer's alarm waits: a connect or a write that it interrupts fails.
class AlarmWaits {
 public:
  AlarmWaits() {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before_);
  }
  ~AlarmWaits() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AlarmWaits(const AlarmWaits&) = delete;
  AlarmWaits& operator=(const AlarmWaits&) = delete;

 private:
  sigset_t before_{};
};

void send(World& world, tcp::socket& client, Input bytes) {
  const AlarmWaits alarm_waits;
  client.connect(world.endpoint);
  std::string part;
  while (!bytes.empty()) {
    const std::string_view line = bytes.line();
    if (line != "---") part.append(line) += '\n';
    if (line == "---" || bytes.empty()) write(world, client, std::exchange(part, ""));
  }
  boost::system::error_code error;
  client.shutdown(tcp::socket::shutdown_send, error);
}

/// What a client that sends these bytes is told.
std::string talk(World& world, Input bytes) {
  world.answered = 0;
  tcp::socket client(world.io, {next_address(world), 0});
  send(world, client, bytes);
  return read_all(world, client);
}

}  // namespace
}  // namespace sealstream::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealstream::fuzz;
  static World world;
  check(world, talk(world, Input(data, size)));
  static constexpr std::string_view kGood = "GET /livez HTTP/1.1\r\n\r\n";
  const std::string answer =
      talk(world, Input(reinterpret_cast<const std::uint8_t*>(kGood.data()), kGood.size()));
  demand(world.answered == 200 && answer.ends_with(kBody), "the next client is served");
  return 0;
}
