// SPDX-License-Identifier: Apache-2.0
#include "data/mds/hashes.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/digest.h"

namespace ebb::data {
namespace {

class Xxh3 final : public StreamHash {
 public:
  void add(std::span<const std::byte> bytes) override { digest_.add(bytes); }
  std::string hex() override { return digest_.hex(); }

 private:
  Digest digest_;
};

class Xxh32 final : public StreamHash {
 public:
  Xxh32() { XXH32_reset(state_.get(), 0); }
  void add(std::span<const std::byte> bytes) override {
    XXH32_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string hex() override { return fmt::format("{:08x}", XXH32_digest(state_.get())); }

 private:
  std::unique_ptr<XXH32_state_t, decltype(&XXH32_freeState)> state_{XXH32_createState(), &XXH32_freeState};
};

class Xxh64 final : public StreamHash {
 public:
  Xxh64() { XXH64_reset(state_.get(), 0); }
  void add(std::span<const std::byte> bytes) override {
    XXH64_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string hex() override { return fmt::format("{:016x}", XXH64_digest(state_.get())); }

 private:
  std::unique_ptr<XXH64_state_t, decltype(&XXH64_freeState)> state_{XXH64_createState(), &XXH64_freeState};
};

class Xxh128 final : public StreamHash {
 public:
  Xxh128() { XXH3_128bits_reset(state_.get()); }
  void add(std::span<const std::byte> bytes) override {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string hex() override {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_{XXH3_createState(), &XXH3_freeState};
};

// FIPS 180-4. Many published datasets have no other hash. Here it detects damage, not manipulation.
class Sha1 final : public StreamHash {
 public:
  void add(std::span<const std::byte> bytes) override {
    total_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t n = std::min(bytes.size(), block_.size() - held_);
      std::memcpy(block_.data() + held_, bytes.data(), n);
      held_ += n;
      bytes = bytes.subspan(n);
      if (held_ == block_.size()) compress();
    }
  }
  std::string hex() override {
    const std::uint64_t bits = total_ * 8;
    const auto put = [this](std::uint8_t value) {
      add(std::as_bytes(std::span<const std::uint8_t>(&value, 1)));
    };
    put(0x80);
    while (held_ != 56) put(0);
    for (int shift = 56; shift >= 0; shift -= 8) put(static_cast<std::uint8_t>(bits >> shift));
    return fmt::format("{:08x}{:08x}{:08x}{:08x}{:08x}", h_[0], h_[1], h_[2], h_[3], h_[4]);
  }

 private:
  void compress() {
    held_ = 0;
    std::array<std::uint32_t, 80> w{};
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t k = 0; k < 4; ++k) w[i] = w[i] << 8 | block_[4 * i + k];
    }
    for (std::size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h_;
    for (std::size_t i = 0; i < 80; ++i) {
      std::uint32_t f = b ^ c ^ d;
      std::uint32_t k = i < 40 ? 0x6ED9EBA1 : 0xCA62C1D6;
      if (i < 20) {
        f = (b & c) | (~b & d);
        k = 0x5A827999;
      } else if (i >= 40 && i < 60) {
        f = (b & c) | (b & d) | (c & d);
        k = 0x8F1BBCDC;
      }
      const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h_[0] += a;
    h_[1] += b;
    h_[2] += c;
    h_[3] += d;
    h_[4] += e;
  }

  std::array<std::uint32_t, 5> h_{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  std::array<std::uint8_t, 64> block_{};
  std::size_t held_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

std::unique_ptr<StreamHash> StreamHash::make(std::string_view algorithm) {
  if (algorithm == "xxh3_64") return std::make_unique<Xxh3>();
  if (algorithm == "xxh64") return std::make_unique<Xxh64>();
  if (algorithm == "xxh32") return std::make_unique<Xxh32>();
  if (algorithm == "xxh128" || algorithm == "xxh3_128") return std::make_unique<Xxh128>();
  if (algorithm == "sha1") return std::make_unique<Sha1>();
  return nullptr;
}

bool StreamHash::knows(std::string_view algorithm) {
  constexpr std::array<std::string_view, 6> kNames = {"xxh3_64", "xxh64",    "xxh32",
                                                      "xxh128",  "xxh3_128", "sha1"};
  return std::find(kNames.begin(), kNames.end(), algorithm) != kNames.end();
}

}  // namespace ebb::data
