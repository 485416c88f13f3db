// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "memory/classes.h"

namespace c10 {
class ThreadLocalDebugInfo;
}

namespace ebb::memory {

// While it exists, allocations of this thread belong to (class, owner). Tags nest; the innermost counts.
// LibTorch passes them on to its own threads (c10::ThreadLocalDebugInfo), so backward's tensors belong to
// the tag around the call of backward(). A Tag allocates only if it is the first of its owner, or inside
// other thread-local debug information. `owner` is copied once and kept until the process ends, so a program
// has only a few of them.
class Tag {
 public:
  Tag(Class cls, std::string_view owner);
  ~Tag();
  Tag(const Tag&) = delete;
  Tag& operator=(const Tag&) = delete;

 private:
  std::shared_ptr<c10::ThreadLocalDebugInfo> before_;
};

// The calling thread's innermost tag.
struct TagView {
  Class cls;
  std::string_view owner;  // valid until the process ends
};
TagView current_tag();

// The id (owner_names.h) of the calling thread's innermost tag; kUntagged without one. Takes no lock and
// calls no allocator: it runs under the lock of CUDA's allocator.
std::uint32_t current_owner();

}  // namespace ebb::memory
