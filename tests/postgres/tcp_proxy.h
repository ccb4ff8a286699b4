// A wire between the ledger and the server that can be cut at the moments that matter to a commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace sealstream {

/// What happens to the next COMMIT that passes.
enum class Cut {
  never,
  before_commit,  ///< it does not reach the server, and both sides lose the connection
  before_answer,  ///< the server answered it, and the client loses the connection instead of hearing
  silence,        ///< the server answered it, and the client hears nothing, on a connection that stays open
  after_answer,   ///< the client hears the answer, and then loses the connection
};

/// Forwards one connection after the other from a free loopback port. `cut` may be set at any time.
class TcpProxy {
 public:
  TcpProxy(std::string host, std::uint16_t port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return port_; }
  void cut(Cut cut) { cut_ = cut; }

 private:
  class Wire;

  void serve();
  void forward(int client, int server);

  std::string host_;
  std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<Cut> cut_ = Cut::never;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace sealstream
