// Goal: the admin endpoints answer what they must, and no client can hold them up. Method: a real socket on
// loopback; the server's own thread runs its io_context.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "http/client.h"
#include "http/server.h"

namespace sealstream {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A client that says exactly what a test wants said.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval deadline{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  bool send(const std::string& text) { return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) >= 0; }
  /// What comes until the server closes; a read that the server leaves open for 20 s fails the test.
  std::string receive() {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
      const ssize_t got = ::recv(socket_, part.data(), part.size(), 0);
      if (got < 0 && errno != ECONNRESET) ADD_FAILURE() << "the server does not close";
      if (got <= 0) return text;
      text.append(part.data(), static_cast<std::size_t>(got));
    }
  }
  std::string ask(const std::string& text) {
    send(text);
    return receive();
  }

 private:
  int socket_;
  bool connected_ = false;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpLimits& limits = {}) {
    server_ = std::make_unique<HttpServer>(
        io_, "127.0.0.1", 0,
        std::map<std::string, HttpHandler>{
            {"/livez", [] { return HttpResponse{.body = "{\"ok\":true}\n"}; }},
            {"/readyz", [] { return HttpResponse{.code = 503, .body = "{\"ok\":false}\n"}; }},
            {"/large",
             [] { return HttpResponse{.content_type = "text/plain", .body = std::string(3'000'000, 'x')}; }},
            {"/talkative", [] { return HttpResponse{.body = "postgresql://bob:hunter2@host\n"}; }},
            {"/broken", []() -> HttpResponse { throw std::runtime_error("secret reason"); }}},
        [this](int code) { last_code_ = code; }, limits);
    port_ = server_->port();
    thread_ = std::jthread([this] { io_.run(); });
  }
  void TearDown() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  std::string get(const std::string& path) {
    return RawClient(port_).ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  boost::asio::io_context io_{1};
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::atomic<int> last_code_ = 0;
  std::jthread thread_;
};

TEST_F(HttpServerTest, AnswersARouteAndCloses) {
  start();
  EXPECT_THAT(get("/livez"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: application/json\r\n"),
                    HasSubstr("Connection: close\r\n"), HasSubstr("\r\n\r\n{\"ok\":true}\n")));
  EXPECT_EQ(last_code_, 200);
}

TEST_F(HttpServerTest, PassesOnTheCodeOfAHandler) {
  start();
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(last_code_, 503);
}

TEST_F(HttpServerTest, IgnoresTheQuery) {
  start();
  EXPECT_THAT(get("/livez?verbose=1"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, SendsALargeAnswerWhole) {
  start();
  const auto answer = http_get("127.0.0.1", port_, "/large", milliseconds(10'000));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code, 200);
  EXPECT_EQ(answer->body.size(), 3'000'000U);
}

TEST_F(HttpServerTest, NamesItsRoutesWhereThereIsNone) {
  start();
  EXPECT_THAT(get("/livez/"), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("/readyz")));
  EXPECT_THAT(get("/%2e%2e/etc/passwd"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, RefusesOtherMethodsAndNamesThoseAllowed) {
  start();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    EXPECT_THAT(RawClient(port_).ask(std::string(method) + " /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")))
        << method;
  }
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  start();
  const std::string answer = RawClient(port_).ask("HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 12\r\n"),
                            testing::EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, ReplacesSecrets) {
  start();
  EXPECT_THAT(get("/talkative"),
              AllOf(HasSubstr("postgresql://[REDACTED:url-credentials]@host"), Not(HasSubstr("hunter2"))));
}

TEST_F(HttpServerTest, SaysNothingAboutABrokenHandler) {
  start();
  EXPECT_THAT(get("/broken"), AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  start();
  EXPECT_THAT(RawClient(port_).ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, RefusesHeadersBeyondTheirLimit) {
  start();
  const std::string request = "GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n";
  EXPECT_THAT(RawClient(port_).ask(request), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, RefusesABody) {
  start();
  EXPECT_THAT(RawClient(port_).ask("GET /livez HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" +
                                   std::string(50'000, 'a')),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, ClosesOnAClientThatSendsTooSlowly) {
  start({.read_timeout = milliseconds(100)});
  RawClient silent(port_), halting(port_);
  halting.send("GET /livez HTTP/1.1\r\nX-Slow: ");
  EXPECT_EQ(silent.receive(), "");
  EXPECT_EQ(halting.receive(), "");
}

TEST_F(HttpServerTest, ServesOthersBesideASlowClient) {
  start();
  RawClient slow(port_);
  slow.send("GET /li");
  EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(slow.ask("vez HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ClosesConnectionsBeyondItsLimitAndTakesNewOnesWhenThereIsRoom) {
  start({.connections = 2});
  {
    RawClient first(port_), second(port_);
    first.send("GET /li");
    second.send("GET /li");
    RawClient third(port_);
    EXPECT_EQ(third.receive(), "") << "closed at once";
    EXPECT_THAT(first.ask("vez HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string answer;
  while (answer.empty() && std::chrono::steady_clock::now() < deadline) answer = get("/livez");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, SurvivesAClientThatLeaves) {
  start();
  for (int i = 0; i < 100; ++i) RawClient(port_).send("GET /large HTTP/1.1\r\n\r\n");
  EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  start();
  try {
    const HttpServer second(io_, "127.0.0.1", port_, {}, [](int) {});
    FAIL() << "two servers on one port";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot listen on 127.0.0.1:"), HasSubstr("in use")));
  }
}

TEST(HttpGet, GivesUpWhereNobodyAnswers) {
  EXPECT_FALSE(http_get("127.0.0.1", 1, "/", milliseconds(2'000)).has_value());
}

}  // namespace
}  // namespace sealstream
