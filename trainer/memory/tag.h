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

// While it lives, what this thread allocates belongs to (class, owner). Tags nest; the innermost counts. The
// framework carries them into its own threads (c10::ThreadLocalDebugInfo), so backward's tensors belong to
// the tag under which backward() was called. Calls no malloc. `owner` is copied: the name of a unit or of a
// purpose, of which there are few.
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
// calls no allocator: it runs under the lock of CUDA's.
std::uint32_t current_owner();

}  // namespace ebb::memory
