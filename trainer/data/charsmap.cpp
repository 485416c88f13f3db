// SPDX-License-Identifier: Apache-2.0
#include "data/charsmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"

namespace ebb::data {
namespace {

// The fields of a serialized message. Whatever the library might read otherwise is refused: groups, which no
// message of a model has, and numbers that do not fit.
class MessageFields {
 public:
  MessageFields(std::string_view message, const std::string& name) : rest_(message), name_(name) {}

  struct Field {
    std::uint64_t number;
    std::string_view message;  // empty unless the field has a length
  };
  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::uint64_t tag = varint();
    Field field{tag >> 3, {}};
    if (tag > UINT32_MAX || field.number == 0) fail();
    switch (tag & 7) {
      case 0:
        (void)varint();
        break;
      case 1:
        (void)take(8);
        break;
      case 2:
        field.message = take(varint());
        break;
      case 5:
        (void)take(4);
        break;
      default:
        fail();
    }
    return field;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ExitCode::data, fmt::format("{} is not a sentencepiece model: {} bytes before its end there "
                                            "is no field of a message; fetch the file again",
                                            name_, rest_.size()));
  }
  std::string_view take(std::uint64_t bytes) {
    if (bytes > rest_.size()) fail();
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  std::string_view rest_;
  const std::string& name_;
};

// The table: the size of a trie (u32), its units (u32 each), and the texts that replace the keys, each with a
// NUL after it. A unit has the byte that leads to it and the offset of those that follow it; with a leaf, the
// first of these holds the position of a text (Darts-clone).
class Charsmap {
 public:
  Charsmap(std::string_view table, const std::string& name) : name_(name) {
    std::uint32_t trie_bytes = 0;
    if (table.size() <= sizeof trie_bytes) fail(fmt::format("it has {} bytes", table.size()));
    std::memcpy(&trie_bytes, table.data(), sizeof trie_bytes);
    table.remove_prefix(sizeof trie_bytes);
    if (trie_bytes >= table.size() || trie_bytes % sizeof(std::uint32_t) != 0)
      fail(fmt::format("its trie should have {} of {} bytes", trie_bytes, table.size()));
    if (trie_bytes == 0) fail("its trie has no units");
    units_.resize(trie_bytes / sizeof(std::uint32_t));
    std::memcpy(units_.data(), table.data(), trie_bytes);
    texts_ = table.substr(trie_bytes);
  }

  // Follows each unit once, so that the time is that of the table's size.
  void check() {
    most_leaves_.assign(units_.size(), kUnseen);
    std::vector<Visit> path{enter(0)};
    while (!path.empty()) {
      Visit& visit = path.back();
      if (visit.next_byte > UINT8_MAX) {
        const auto leaves = static_cast<std::uint8_t>(visit.below + (has_leaf(visit.unit) ? 1 : 0));
        if (leaves > kMostLeaves)
          fail(fmt::format("from unit {} on, more than {} keys begin each other", visit.unit, kMostLeaves));
        most_leaves_[visit.unit] = leaves;
        path.pop_back();
        if (!path.empty()) path.back().below = std::max(path.back().below, leaves);
        continue;
      }
      const std::uint32_t byte = visit.next_byte++, unit = visit.first ^ byte;
      if ((units_[unit] & kLabel) != byte) continue;
      if (most_leaves_[unit] == kOnPath) fail(fmt::format("unit {} leads to itself", unit));
      if (most_leaves_[unit] != kUnseen) {
        visit.below = std::max(visit.below, most_leaves_[unit]);
      } else {
        if (path.size() == kLongestKey) fail(fmt::format("a key has more than {} bytes", kLongestKey));
        path.push_back(enter(unit));
      }
    }
  }

 private:
  static constexpr std::uint32_t kLabel = 1U << 31 | 0xff, kValue = (1U << 31) - 1;
  static constexpr std::uint8_t kMostLeaves = 32;  // what the library keeps of a search
  static constexpr std::uint8_t kUnseen = 255, kOnPath = 254;
  static constexpr std::size_t kLongestKey = 1024, kLongestText = 256;

  struct Visit {
    std::uint32_t unit, first;  // `first`: of the units that follow it
    std::uint32_t next_byte = 0;
    std::uint8_t below = 0;  // most leaves after it on one path
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::data, fmt::format("{}: the table by which its normalizer replaces characters "
                                            "(precompiled_charsmap) is damaged: {}; fetch the file again",
                                            name_, what));
  }
  [[nodiscard]] bool has_leaf(std::uint32_t unit) const { return (units_[unit] >> 8 & 1) != 0; }

  Visit enter(std::uint32_t unit) {
    const std::uint32_t word = units_[unit], offset = (word >> 10) << ((word & 1U << 9) >> 6);
    const Visit visit{unit, unit ^ offset};
    if ((visit.first | UINT8_MAX) >= units_.size())
      fail(fmt::format("unit {} leads to unit {}, and there are {}", unit, visit.first | UINT8_MAX,
                       units_.size()));
    if (has_leaf(unit)) check_text(unit, units_[visit.first] & kValue);
    most_leaves_[unit] = kOnPath;
    return visit;
  }
  void check_text(std::uint32_t unit, std::size_t at) const {
    if (at >= texts_.size())
      fail(fmt::format("unit {} has its text at byte {}, and the texts end at {}", unit, at, texts_.size()));
    const std::string_view text = texts_.substr(at, kLongestText + 1);
    if (text.find('\0') != std::string_view::npos) return;
    fail(text.size() > kLongestText
             ? fmt::format("unit {} has a text of more than {} bytes", unit, kLongestText)
             : fmt::format("the text of unit {}, at byte {} of {}, has no end", unit, at, texts_.size()));
  }

  const std::string& name_;
  std::vector<std::uint32_t> units_;
  std::string_view texts_;
  std::vector<std::uint8_t> most_leaves_;  // from a unit on, of one path
};

void check_spec(std::string_view spec, const std::string& name) {
  constexpr std::uint64_t kPrecompiledCharsmap = 2;
  MessageFields fields(spec, name);
  while (const auto field = fields.next())
    if (field->number == kPrecompiledCharsmap && !field->message.empty())
      Charsmap(field->message, name).check();
}

}  // namespace

// The fields of equal numbers are merged, of which the last table counts. All are checked.
void check_charsmaps(std::string_view model, const std::string& name) {
  constexpr std::uint64_t kNormalizerSpec = 3, kDenormalizerSpec = 5;
  MessageFields fields(model, name);
  while (const auto field = fields.next())
    if (field->number == kNormalizerSpec || field->number == kDenormalizerSpec)
      check_spec(field->message, name);
}

}  // namespace ebb::data
