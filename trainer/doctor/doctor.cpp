#include "doctor/doctor.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "doctor/checkup.h"
#include "doctor/facts.h"

namespace ebb::doctor {
namespace {

constexpr auto kReplace = nlohmann::json::error_handler_t::replace;  // a folder's name need not be UTF-8

nlohmann::json as_json(const std::vector<RankFacts>& ranks, const std::vector<Check>& checks) {
  nlohmann::json list = nlohmann::json::array();
  for (const Check& check : checks) {
    const char* const health = check.health == Health::ok     ? "ok"
                               : check.health == Health::warn ? "warn"
                                                              : "fail";
    list.push_back(
        {{"name", check.name}, {"health", health}, {"found", check.found}, {"to_do", check.to_do}});
  }
  return {{"ranks", ranks}, {"checks", list}, {"exit_code", static_cast<int>(exit_code(checks))}};
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[64] = {};
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local);
  return text;
}

}  // namespace

ExitCode doctor(const comm::World& world, OutputForm form) {
  const std::vector<RankFacts> ranks = facts_of_all(world, ".");
  const std::vector<Check> checks = examine(ranks);
  if (world.rank() == 0) {
    const std::string text = form == OutputForm::json
                                 ? as_json(ranks, checks).dump(2, ' ', false, kReplace) + "\n"
                                 : as_text(checks) + fmt::format("{:<5} {:<9} {}\n", "", "time", time_now());
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  return exit_code(checks);
}

}  // namespace ebb::doctor
