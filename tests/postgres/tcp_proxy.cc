#include "postgres/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

namespace sealstream {
namespace {

constexpr int kPollMs = 50;
constexpr std::string_view kCommit("COMMIT\0", 7);

sockaddr_in loopback(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) throw std::runtime_error("not an address");
  return address;
}

/// A descriptor that is closed with its scope.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// What can be read now; empty at the end of the stream.
std::string_view receive(int from, std::array<char, 65'536>& buffer) {
  const ssize_t length = recv(from, buffer.data(), buffer.size(), 0);
  return {buffer.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

bool readable(const pollfd& socket) { return socket.revents != 0; }

}  // namespace

/// One forwarded connection, until either side ends it or it is cut.
class TcpProxy::Wire {
 public:
  Wire(int client, int server, const std::atomic<Cut>& cut) : client_(client), server_(server), cut_(cut) {}

  /// False where the connection is to end.
  bool from_client() {
    const auto bytes = receive(client_, buffer_);
    if (bytes.empty()) return false;
    const bool commit = cut_ != Cut::never && passes_commit(bytes);
    if (commit && cut_ == Cut::before_commit) return false;
    committing_ = committing_ || commit;
    return send_all(server_, bytes);
  }

  bool from_server() {
    const auto bytes = receive(server_, buffer_);
    if (bytes.empty()) return false;
    if (!committing_) return send_all(client_, bytes);
    if (cut_ == Cut::before_answer) return false;
    if (cut_ == Cut::silence) return true;
    send_all(client_, bytes);
    return !ends_with_ready(bytes);
  }

 private:
  /// ReadyForQuery is the last message of an answer: 'Z', its length 5, the state.
  static bool ends_with_ready(std::string_view bytes) {
    return bytes.size() >= 6 && bytes.substr(bytes.size() - 6, 5) == std::string_view("Z\0\0\0\5", 5);
  }

  bool passes_commit(std::string_view bytes) {
    const std::string joined = tail_ + std::string(bytes);
    tail_ = joined.substr(joined.size() - std::min(joined.size(), kCommit.size() - 1));
    return joined.find(kCommit) != std::string::npos;
  }

  int client_;
  int server_;
  const std::atomic<Cut>& cut_;
  std::array<char, 65'536> buffer_;
  std::string tail_;
  bool committing_ = false;
};

TcpProxy::TcpProxy(std::string host, std::uint16_t port) : host_(std::move(host)), server_port_(port) {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  auto address = loopback("127.0.0.1", 0);
  socklen_t length = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener_, 8) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    close(listener_);
    throw std::runtime_error("the proxy cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TcpProxy::~TcpProxy() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

void TcpProxy::serve() {
  while (!stop_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, kPollMs) <= 0) continue;
    const Socket client(accept(listener_, nullptr, nullptr));
    const Socket server(socket(AF_INET, SOCK_STREAM, 0));
    const auto address = loopback(host_, server_port_);
    if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      forward(client.get(), server.get());
    }
  }
}

void TcpProxy::forward(int client, int server) {
  Wire wire(client, server, cut_);
  while (!stop_) {
    std::array<pollfd, 2> sockets = {pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (poll(sockets.data(), sockets.size(), kPollMs) < 0) return;
    if (readable(sockets[1]) && !wire.from_server()) return;
    if (readable(sockets[0]) && !wire.from_client()) return;
  }
}

}  // namespace sealstream
