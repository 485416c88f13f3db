#include "comm/agree.h"

#include <exception>
#include <string>
#include <vector>

namespace ebb::comm {

void agree(const World& world, double timeout_s, const std::function<void()>& action) {
  std::exception_ptr failure;
  int code = 0;
  try {
    action();
  } catch (const Error& error) {
    failure = std::current_exception();
    code = static_cast<int>(error.code());
  }
  const std::vector<std::string> codes = world.gather_to_all(std::to_string(code), timeout_s);
  for (int rank = 0; rank < static_cast<int>(codes.size()); ++rank) {
    const int theirs = std::stoi(codes[static_cast<std::size_t>(rank)]);
    if (theirs == 0) continue;
    if (rank == world.rank()) std::rethrow_exception(failure);
    throw ReportedElsewhere(static_cast<ExitCode>(theirs));
  }
}

}  // namespace ebb::comm
