#include "comm/agree.h"

#include <exception>
#include <new>

namespace ebb::comm {
namespace {

constexpr char kTold = '!', kUntold = ' ';  // between the code and the result

}  // namespace

std::vector<std::string> gather_from_all(const World& world, double timeout_s,
                                         const std::function<std::string()>& work) {
  std::string result;
  std::exception_ptr failure;
  auto code = ExitCode::ok;
  bool told = false;  // by an agreement within this one: who failed there has to speak here as well
  // Whatever it is, it must not keep the other ranks waiting.
  try {
    result = work();
  } catch (const ReportedElsewhere& error) {
    failure = std::current_exception();
    code = error.code();
    told = true;
  } catch (const Error& error) {
    failure = std::current_exception();
    code = error.code();
  } catch (const std::bad_alloc&) {
    failure = std::make_exception_ptr(Error(ExitCode::memory, "the system has no memory left"));
    code = ExitCode::memory;
  } catch (...) {
    failure = std::current_exception();
    code = ExitCode::internal;
  }
  std::vector<std::string> all = world.gather_to_all(
      std::to_string(static_cast<int>(code)) + (told ? kTold : kUntold) + result, timeout_s);
  int speaker = -1;
  auto worst = ExitCode::ok;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    std::size_t digits = 0;
    const auto theirs = static_cast<ExitCode>(std::stoi(all[rank], &digits));
    const bool theirs_told = all[rank][digits] == kTold;
    if (theirs != ExitCode::ok && worst == ExitCode::ok) worst = theirs;
    if (theirs != ExitCode::ok && !theirs_told && speaker < 0) {
      speaker = static_cast<int>(rank);
      worst = theirs;
    }
    all[rank].erase(0, digits + 1);
  }
  if (worst == ExitCode::ok) return all;
  if (speaker == world.rank()) std::rethrow_exception(failure);
  throw ReportedElsewhere(worst);
}

void agree(const World& world, double timeout_s, const std::function<void()>& action) {
  (void)gather_from_all(world, timeout_s, [&] {
    action();
    return std::string();
  });
}

}  // namespace ebb::comm
