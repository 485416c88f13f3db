// SPDX-License-Identifier: Apache-2.0
#include "comm/run_on_all_ranks.h"

#include <exception>
#include <new>

namespace ebb::comm {
namespace {

constexpr char kReported = '!', kUnreported = ' ';  // between the code and the result

}  // namespace

std::vector<std::string> gather_from_all(const World& world, double timeout_s,
                                         const std::function<std::string()>& work) {
  std::string result;
  std::exception_ptr failure;
  auto code = ExitCode::ok;
  bool reported = false;  // by another rank in an inner agreement; that rank reports here as well
  // Catch everything: the other ranks wait for this one.
  try {
    result = work();
  } catch (const RemoteError& error) {
    failure = std::current_exception();
    code = error.code();
    reported = true;
  } catch (const Error& error) {
    failure = std::current_exception();
    code = error.code();
  } catch (const std::bad_alloc&) {
    failure = std::make_exception_ptr(Error(ExitCode::memory, "the system is out of memory"));
    code = ExitCode::memory;
  } catch (...) {
    failure = std::current_exception();
    code = ExitCode::internal;
  }
  std::vector<std::string> all = world.gather_to_all(
      std::to_string(static_cast<int>(code)) + (reported ? kReported : kUnreported) + result, timeout_s);
  int reporter = -1;
  auto worst = ExitCode::ok;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    std::size_t digits = 0;
    const auto theirs = static_cast<ExitCode>(std::stoi(all[rank], &digits));
    const bool theirs_reported = all[rank][digits] == kReported;
    if (theirs != ExitCode::ok && worst == ExitCode::ok) worst = theirs;
    if (theirs != ExitCode::ok && !theirs_reported && reporter < 0) {
      reporter = static_cast<int>(rank);
      worst = theirs;
    }
    all[rank].erase(0, digits + 1);
  }
  if (worst == ExitCode::ok) return all;
  if (reporter == world.rank()) std::rethrow_exception(failure);
  throw RemoteError(worst);
}

void run_on_all_ranks(const World& world, double timeout_s, const std::function<void()>& action) {
  (void)gather_from_all(world, timeout_s, [&] {
    action();
    return std::string();
  });
}

}  // namespace ebb::comm
