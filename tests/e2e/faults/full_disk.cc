// Preloaded into PostgreSQL: while the file that SEALSTREAM_TEST_FULL_DISK names exists, no file can grow, as
// on a disk without space. A small file system would need the right to mount one.
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool is_full_for(int file, off_t end) {
  static const char* const kFlag = std::getenv("SEALSTREAM_TEST_FULL_DISK");
  struct stat now {};
  return kFlag != nullptr && access(kFlag, F_OK) == 0 && fstat(file, &now) == 0 && end > now.st_size;
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

ssize_t no_space() {
  errno = ENOSPC;
  return -1;
}

}  // namespace

extern "C" ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  static const auto kReal = real<decltype(&pwrite)>("pwrite");
  return is_full_for(file, offset + static_cast<off_t>(size)) ? no_space() : kReal(file, bytes, size, offset);
}

extern "C" ssize_t pwritev(int file, const iovec* parts, int count, off_t offset) {
  static const auto kReal = real<decltype(&pwritev)>("pwritev");
  off_t end = offset;
  for (int part = 0; part < count; ++part) end += static_cast<off_t>(parts[part].iov_len);
  return is_full_for(file, end) ? no_space() : kReal(file, parts, count, offset);
}
