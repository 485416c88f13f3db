#include "checkpoint/all_ranks.h"

#include <fmt/format.h>

#include <new>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "comm/agree.h"

namespace ebb::checkpoint {
namespace {

nlohmann::json failure(ExitCode code, const std::string& message) {
  return {{"code", static_cast<int>(code)}, {"message", message}};
}

}  // namespace

std::vector<std::string> on_all_ranks(const comm::World& world, double timeout_s,
                                      const std::function<std::string()>& work) {
  nlohmann::json outcome;
  try {
    outcome = {{"code", 0}, {"result", work()}};
  } catch (const Error& e) {
    outcome = failure(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    outcome = failure(ExitCode::memory, "no memory left while a checkpoint was written or read");
  } catch (const std::exception& e) {
    outcome = failure(ExitCode::internal, e.what());
  }
  outcome["host"] = world.host();
  // A message may hold a file name in any encoding; it must not keep the others waiting.
  const auto text = outcome.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto all = world.gather_to_all(text, timeout_s);
  std::vector<std::string> results;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto one = nlohmann::json::parse(all[rank]);
    const auto code = one.at("code").get<int>();
    if (code == 0) {
      results.push_back(one.at("result").get<std::string>());
      continue;
    }
    if (world.rank() != 0) throw comm::ReportedElsewhere(static_cast<ExitCode>(code));
    const auto message = one.at("message").get<std::string>();
    if (rank == 0) throw Error(static_cast<ExitCode>(code), message);
    throw Error(static_cast<ExitCode>(code),
                fmt::format("rank {} on {}: {}", rank, one.at("host").get<std::string>(), message));
  }
  return results;
}

}  // namespace ebb::checkpoint
