// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

extern char** environ;

namespace ebb {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

ExecArguments::ExecArguments(std::vector<std::string> argv, const Variables& set,
                             const std::vector<std::string>& unset)
    : argv_(std::move(argv)) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry, name = text.substr(0, text.find('='));
    const bool replaced =
        std::ranges::any_of(set, [&](const auto& variable) { return variable.first == name; });
    const bool removed = std::ranges::any_of(unset, [&](const std::string& one) { return one == name; });
    if (!replaced && !removed) environment_.emplace_back(text);
  }
  for (const auto& [name, value] : set) environment_.push_back(name + "=" + value);
  argv_pointers_ = pointers_to(argv_);
  environment_pointers_ = pointers_to(environment_);
}

pid_t fork_group_leader(int signal) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  // Both processes do it, since either may run first.
  if (child > 0) ::setpgid(child, child);
  if (child == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, signal);
    if (::getppid() != parent) ::_exit(127);  // this process ended before the call of prctl
  }
  return child;
}

}  // namespace ebb
