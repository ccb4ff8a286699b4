#include "sealstream/core/blake2b.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace sealstream {
namespace {

struct Free {
  void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

void require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL offers no BLAKE2b-512");
}

}  // namespace

struct Blake2b::Context {
  std::unique_ptr<EVP_MD, Free> algorithm{EVP_MD_fetch(nullptr, "BLAKE2B-512", nullptr)};
  std::unique_ptr<EVP_MD_CTX, Free> state{EVP_MD_CTX_new()};
};

Blake2b::Blake2b() : context_(std::make_unique<Context>()) {
  require(context_->algorithm && context_->state &&
          EVP_DigestInit_ex2(context_->state.get(), context_->algorithm.get(), nullptr) == 1);
}

Blake2b::~Blake2b() = default;

Blake2b& Blake2b::update(std::string_view bytes) {
  require(EVP_DigestUpdate(context_->state.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

Checksum Blake2b::finish() {
  Checksum checksum;
  require(EVP_DigestFinal_ex(context_->state.get(), checksum.data(), nullptr) == 1 &&
          EVP_DigestInit_ex2(context_->state.get(), nullptr, nullptr) == 1);
  return checksum;
}

}  // namespace sealstream
