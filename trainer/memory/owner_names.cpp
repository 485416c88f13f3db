// SPDX-License-Identifier: Apache-2.0
#include "memory/owner_names.h"

#include <deque>
#include <mutex>
#include <unordered_map>

namespace ebb::memory {
namespace {

struct Key {
  Class cls;
  std::string_view owner;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const {
    return std::hash<std::string_view>{}(key.owner) * kClasses + static_cast<std::size_t>(key.cls);
  }
};

struct Names {
  std::mutex mutex;
  std::deque<OwnerName> by_id;  // a deque: references stay valid while it grows
  std::unordered_map<Key, std::uint32_t, KeyHash> ids;

  Names() { add(Class::activations, "untagged"); }
  const OwnerName& add(Class cls, std::string_view owner) {
    const auto id = static_cast<std::uint32_t>(by_id.size());
    const OwnerName& name = by_id.emplace_back(OwnerName{cls, std::string(owner), id});
    ids.emplace(Key{cls, name.owner}, id);
    return name;
  }
};

// Never destroyed: static objects free tensors after main, and the ledger then needs their names.
Names& names() {
  static auto* const all = new Names;
  return *all;
}

}  // namespace

const OwnerName& intern(Class cls, std::string_view owner) {
  Names& all = names();
  const std::lock_guard lock(all.mutex);
  const auto found = all.ids.find(Key{cls, owner});
  return found != all.ids.end() ? all.by_id[found->second] : all.add(cls, owner);
}

const OwnerName& owner_name(std::uint32_t id) {
  Names& all = names();
  const std::lock_guard lock(all.mutex);
  return all.by_id.at(id);
}

}  // namespace ebb::memory
