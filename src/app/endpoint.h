// Addresses as people write them, and whether they lead out of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealstream {

struct Endpoint {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
};

/// "127.0.0.1:9464", "[::1]:9464", "localhost:9464"; nothing where it is no such text.
std::optional<Endpoint> parse_endpoint(std::string_view text);

/// Whether `host` is this machine by its very form: localhost, 127.0.0.0/8, ::1, or the directory of a Unix
/// socket. Names are not resolved: an answer of DNS is no proof.
bool is_loopback(std::string_view host);

}  // namespace sealstream
