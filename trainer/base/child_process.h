// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace ebb {

// The arguments and the environment for execve(). Make them before fork(): until it calls execve(), a child
// may call only functions that are safe in a signal handler, so it may not allocate.
class ExecArguments {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;
  // The environment is that of this process, without the variables in `unset`, and with those in `set`.
  ExecArguments(std::vector<std::string> argv, const Variables& set,
                const std::vector<std::string>& unset = {});
  ExecArguments(const ExecArguments&) = delete;
  ExecArguments& operator=(const ExecArguments&) = delete;
  // Arrays that end with a null pointer. The object owns them.
  [[nodiscard]] char* const* argv() const { return argv_pointers_.data(); }
  [[nodiscard]] char* const* environment() const { return environment_pointers_.data(); }

 private:
  std::vector<std::string> argv_, environment_;
  std::vector<char*> argv_pointers_, environment_pointers_;
};

// Calls fork(). The child leads a process group of its own, and receives `signal` when the calling thread
// ends. Returns the result of fork(). The group exists when the call returns.
pid_t fork_group_leader(int signal);

}  // namespace ebb
