// Asks a running instance's admin endpoints.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sealstream {

struct HttpAnswer {
  int code = 0;
  std::string body;  ///< at most 16 MiB
};

/// GETs `path`. Nothing where nobody answers within `timeout`, or not in HTTP.
std::optional<HttpAnswer> http_get(const std::string& host, std::uint16_t port, const std::string& path,
                                   std::chrono::milliseconds timeout);

}  // namespace sealstream
