#include "app/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/config_error.h"

namespace sealstream {
namespace {

constexpr std::size_t kMaxSecretBytes = 1'048'576;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void refuse(const std::string& file, const std::string& purpose, const std::string& sentence) {
  throw ConfigError(file + ": " + purpose + ": " + sentence);
}

void check_mode(int descriptor, const std::string& file, const std::string& purpose) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0) refuse(file, purpose, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) refuse(file, purpose, "is no regular file");
  const unsigned open_to_others = facts.st_mode & 077U;
  if (open_to_others == 0) return;
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", facts.st_mode & 07777U);
  refuse(file, purpose,
         std::string("mode ") + mode.data() + " lets others in; allowed: 0600 or 0400 (chmod 600)");
}

}  // namespace

std::string read_secret_file(const std::string& file, const std::string& purpose) {
  const OpenFile open(file);
  if (open.descriptor() < 0) refuse(file, purpose, std::string("cannot be read: ") + std::strerror(errno));
  check_mode(open.descriptor(), file, purpose);
  std::string content(kMaxSecretBytes + 1, '\0');
  std::size_t length = 0;
  while (length < content.size()) {
    const ssize_t got = ::read(open.descriptor(), content.data() + length, content.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(file, purpose, std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > kMaxSecretBytes) refuse(file, purpose, "is larger than 1 MiB");
  if (length == 0) refuse(file, purpose, "is empty");
  content.resize(length);
  return content;
}

std::string read_secret_line(const std::string& file, const std::string& purpose) {
  std::string line = read_secret_file(file, purpose);
  line.resize(std::min(line.size(), line.find_first_of("\r\n")));
  if (line.empty()) refuse(file, purpose, "its first line is empty");
  return line;
}

}  // namespace sealstream
