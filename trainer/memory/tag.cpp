// SPDX-License-Identifier: Apache-2.0
#include "memory/tag.h"

#include <c10/util/ThreadLocalDebugInfo.h>

#include <deque>
#include <mutex>

#include "memory/owner_names.h"

namespace ebb::memory {
namespace {

// Far above LibTorch's own kinds, which it compares but never uses as an index.
constexpr auto kTagKind = static_cast<c10::DebugInfoKind>(0xEB);

struct TagInfo : c10::DebugInfoBase {
  explicit TagInfo(const OwnerName& n) : name(n) {}
  const OwnerName& name;
};

// A thread-local state that holds one tag and nothing else. It is made once for each owner, so that a Tag is
// only an exchange of pointers.
class PreparedTags {
 public:
  std::shared_ptr<c10::ThreadLocalDebugInfo> get(const OwnerName& name) {
    const std::lock_guard lock(mutex_);
    if (prepared_.size() <= name.id) prepared_.resize(name.id + 1);
    if (!prepared_[name.id]) prepared_[name.id] = make(name);
    return prepared_[name.id];
  }

 private:
  static std::shared_ptr<c10::ThreadLocalDebugInfo> make(const OwnerName& name) {
    auto before = c10::ThreadLocalDebugInfo::current();
    c10::ThreadLocalDebugInfo::_forceCurrentDebugInfo(nullptr);
    c10::ThreadLocalDebugInfo::_push(kTagKind, std::make_shared<TagInfo>(name));
    auto made = c10::ThreadLocalDebugInfo::current();
    c10::ThreadLocalDebugInfo::_forceCurrentDebugInfo(std::move(before));
    return made;
  }

  std::mutex mutex_;
  std::deque<std::shared_ptr<c10::ThreadLocalDebugInfo>> prepared_;
};

PreparedTags& prepared_tags() {
  static auto* const all = new PreparedTags;  // never destroyed, like the names
  return *all;
}

const TagInfo* innermost() {
  return static_cast<const TagInfo*>(c10::ThreadLocalDebugInfo::get(kTagKind));
}

// Whether the thread's state holds only a tag. Replacing it then loses no other state, such as a
// profiler's.
bool is_prepared(const std::shared_ptr<c10::ThreadLocalDebugInfo>& current) {
  const TagInfo* tag = innermost();
  return tag != nullptr && prepared_tags().get(tag->name) == current;
}

}  // namespace

Tag::Tag(Class cls, std::string_view owner) : before_(c10::ThreadLocalDebugInfo::current()) {
  const OwnerName& name = intern(cls, owner);
  if (!before_ || is_prepared(before_)) {
    c10::ThreadLocalDebugInfo::_forceCurrentDebugInfo(prepared_tags().get(name));
  } else {
    c10::ThreadLocalDebugInfo::_push(kTagKind, std::make_shared<TagInfo>(name));
  }
}

Tag::~Tag() {
  c10::ThreadLocalDebugInfo::_forceCurrentDebugInfo(std::move(before_));
}

std::uint32_t current_owner() {
  const TagInfo* tag = innermost();
  return tag == nullptr ? kUntagged : tag->name.id;
}

TagView current_tag() {
  const OwnerName& name = owner_name(current_owner());
  return {name.cls, name.owner};
}

}  // namespace ebb::memory
