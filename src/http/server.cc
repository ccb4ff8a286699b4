#include "http/server.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <stdexcept>
#include <utility>

#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

/// Pause after the system refused a connection (no descriptors left, mostly).
constexpr std::chrono::milliseconds kAcceptPause{100};
/// How long and how much is read from a client that still sends after its answer, so that the answer is not
/// lost to a reset.
constexpr std::chrono::milliseconds kDrainTimeout{1'000};
constexpr std::size_t kDrainBytes = 65'536;

HttpResponse refusal(int code, const std::string& sentence) {
  return {code, "application/json", "{\"error\":\"" + sentence + "\"}\n"};
}

}  // namespace

struct HttpServer::State {
  State(asio::io_context& io, std::map<std::string, HttpHandler> routes, std::function<void(int)> answered,
        const HttpLimits& limits)
      : acceptor(io), pause(io), routes(std::move(routes)), answered(std::move(answered)), limits(limits) {}

  void listen(const std::string& host, std::uint16_t port);
  static void accept(const std::shared_ptr<State>& self);
  HttpResponse respond(http::verb method, const std::string& target) const;
  std::string paths() const;

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::map<std::string, HttpHandler> routes;
  std::function<void(int)> answered;
  HttpLimits limits;
  std::size_t open = 0;
};

namespace {

/// What a read error of the parser is answered with; 0: with nothing.
int code_of(const beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit || error == http::error::unexpected_body) return 413;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return 0;
  return error.category() == http::make_error_code(http::error::bad_method).category() ? 400 : 0;
}

}  // namespace

/// One connection: one request, one answer. Lives as long as one of its operations is under way.
template <class State>
class Session : public std::enable_shared_from_this<Session<State>> {
 public:
  Session(tcp::socket socket, std::shared_ptr<State> server)
      : stream_(std::move(socket)), server_(std::move(server)) {
    ++server_->open;
  }
  ~Session() { --server_->open; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    parser_.header_limit(server_->limits.header_bytes);
    parser_.body_limit(0);
    stream_.expires_after(server_->limits.read_timeout);
    http::async_read(
        stream_, buffer_, parser_,
        [self = this->shared_from_this()](beast::error_code error, std::size_t) { self->answer(error); });
  }

 private:
  void answer(const beast::error_code& error) {
    if (error && code_of(error) == 0) return;
    const http::request<http::empty_body>& request = parser_.get();
    HttpResponse response = error ? refusal(code_of(error), "the request is not accepted")
                                  : server_->respond(request.method(), std::string(request.target()));
    response.body = without_secrets(response.body);
    server_->answered(response.code);
    response_.result(static_cast<unsigned>(response.code));
    response_.set(http::field::content_type, response.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (response.code == 405) response_.set(http::field::allow, "GET, HEAD");
    response_.keep_alive(false);
    response_.content_length(response.body.size());
    if (request.method() != http::verb::head) response_.body() = std::move(response.body);
    stream_.expires_after(server_->limits.write_timeout);
    http::async_write(
        stream_, response_,
        [self = this->shared_from_this()](beast::error_code failed, std::size_t) { self->close(failed); });
  }

  void close(beast::error_code failed) {
    if (failed && failed != http::error::end_of_stream) return;
    stream_.socket().shutdown(tcp::socket::shutdown_send, failed);
    stream_.expires_after(kDrainTimeout);
    drain();
  }

  void drain() {
    stream_.async_read_some(asio::buffer(rest_),
                            [self = this->shared_from_this()](beast::error_code error, std::size_t bytes) {
                              self->drained_ += bytes;
                              if (!error && self->drained_ < kDrainBytes) self->drain();
                            });
  }

  beast::tcp_stream stream_;
  std::shared_ptr<State> server_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  std::array<char, 4096> rest_{};
  std::size_t drained_ = 0;
};

void HttpServer::State::listen(const std::string& host, std::uint16_t port) {
  tcp::resolver resolver(acceptor.get_executor());
  const tcp::endpoint endpoint =
      *resolver.resolve(host, std::to_string(port), tcp::resolver::passive).begin();
  acceptor.open(endpoint.protocol());
  acceptor.set_option(asio::socket_base::reuse_address(true));
  acceptor.bind(endpoint);
  acceptor.listen();
}

void HttpServer::State::accept(const std::shared_ptr<State>& self) {
  self->acceptor.async_accept([self](beast::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted || !self->acceptor.is_open()) return;
    if (error) {
      self->pause.expires_after(kAcceptPause);
      self->pause.async_wait([self](beast::error_code stopped) {
        if (!stopped) accept(self);
      });
      return;
    }
    if (self->open < self->limits.connections)
      std::make_shared<Session<State>>(std::move(socket), self)->read();
    accept(self);
  });
}

HttpResponse HttpServer::State::respond(http::verb method, const std::string& target) const {
  const auto route = routes.find(target.substr(0, target.find('?')));
  if (route == routes.end()) return refusal(404, "not found; there are: " + paths());
  if (method != http::verb::get && method != http::verb::head) return refusal(405, "allowed: GET, HEAD");
  try {
    return route->second();
  } catch (const std::exception&) {
    return refusal(500, "internal error");
  }
}

std::string HttpServer::State::paths() const {
  std::string list;
  for (const auto& [path, handler] : routes) list += (list.empty() ? "" : ", ") + path;
  return list;
}

HttpServer::HttpServer(asio::io_context& io, const std::string& host, std::uint16_t port,
                       std::map<std::string, HttpHandler> routes, std::function<void(int)> answered,
                       const HttpLimits& limits)
    : state_(std::make_shared<State>(io, std::move(routes), std::move(answered), limits)) {
  try {
    state_->listen(host, port);
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on " + host + ":" + std::to_string(port) + ": " +
                             error.code().message());
  }
  State::accept(state_);
}

HttpServer::~HttpServer() {
  beast::error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel(ignored);
}

std::uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }

}  // namespace sealstream
