#include "http/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace sealstream {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::uint64_t kMaxBodyBytes = 16'777'216;

/// One request, step by step; the stream's deadline ends whichever step is under way.
class Exchange {
 public:
  Exchange(asio::io_context& io, const std::string& host, const std::string& path) : stream_(io) {
    request_ = {http::verb::get, path, 11};
    request_.set(http::field::host, host);
    request_.keep_alive(false);
    parser_.body_limit(kMaxBodyBytes);
  }

  void start(const tcp::resolver::results_type& endpoints, std::chrono::milliseconds timeout) {
    stream_.expires_after(timeout);
    stream_.async_connect(endpoints, [this](beast::error_code error, const tcp::endpoint&) {
      if (!error) send();
    });
  }

  std::optional<HttpAnswer> answer() {
    if (!done_) return std::nullopt;
    return HttpAnswer{static_cast<int>(parser_.get().result_int()), std::move(parser_.get().body())};
  }

 private:
  void send() {
    http::async_write(stream_, request_, [this](beast::error_code error, std::size_t) {
      if (!error) receive();
    });
  }

  void receive() {
    http::async_read(stream_, buffer_, parser_,
                     [this](beast::error_code error, std::size_t) { done_ = !error; });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> parser_;
  bool done_ = false;
};

}  // namespace

std::optional<HttpAnswer> http_get(const std::string& host, std::uint16_t port, const std::string& path,
                                   std::chrono::milliseconds timeout) {
  asio::io_context io;
  beast::error_code error;
  tcp::resolver resolver(io);
  const auto endpoints = resolver.resolve(host, std::to_string(port), error);
  if (error) return std::nullopt;
  Exchange exchange(io, host, path);
  exchange.start(endpoints, timeout);
  io.run();
  return exchange.answer();
}

}  // namespace sealstream
