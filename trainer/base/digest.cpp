// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace ebb {
namespace {

std::string hex_of(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}
XXH3_state_t* as_state(void* state) {
  return static_cast<XXH3_state_t*>(state);
}

}  // namespace

std::uint64_t digest64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string digest_hex(std::span<const std::byte> bytes) {
  return hex_of(digest64(bytes));
}

std::string digest_hex(std::string_view text) {
  return digest_hex(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

Digest::Digest() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(as_state(state_));
}

Digest::~Digest() {
  XXH3_freeState(as_state(state_));
}

void Digest::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(as_state(state_), bytes.data(), bytes.size());
}

std::string Digest::hex() const {
  return hex_of(XXH3_64bits_digest(as_state(state_)));
}

}  // namespace ebb
