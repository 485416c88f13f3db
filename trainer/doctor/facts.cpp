// SPDX-License-Identifier: Apache-2.0
#include "doctor/facts.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "doctor/versions.h"

namespace ebb::doctor {
namespace {

constexpr double kGatherTimeout_s = 60;

std::string version_line() {
  const Versions v = versions();
  return fmt::format("ebb {}, LibTorch {}, {}, {}, {}", v.ebb, v.torch, v.mpi,
                     v.cuda.empty() ? "no CUDA" : "CUDA " + v.cuda,
                     v.nccl.empty() ? "no NCCL" : "NCCL " + v.nccl);
}

}  // namespace

std::vector<RankFacts> facts_of_all(const comm::World& world, const std::string& folder) {
  // This is a barrier, so that all ranks read their clocks at the same moment.
  static_cast<void>(world.max_of_all(0, kGatherTimeout_s));
  RankFacts mine = inspect_machine(folder);
  mine.rank = world.rank();
  mine.size = world.size();
  mine.local_rank = world.local_rank();
  mine.local_size = world.local_size();
  mine.host = world.host();
  mine.launched = world.size() > 1 || std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
  mine.versions = version_line();
  const auto replace = nlohmann::json::error_handler_t::replace;  // a folder's name need not be UTF-8
  std::vector<RankFacts> all;
  for (const std::string& text :
       world.gather_to_all(nlohmann::json(mine).dump(-1, ' ', false, replace), kGatherTimeout_s)) {
    try {
      all.push_back(parse_json_or_discard(text).get<RankFacts>());
    } catch (const nlohmann::json::exception& error) {
      throw Error(ExitCode::communication,
                  fmt::format("rank {} reports other facts than rank {}: they run different versions of ebb; "
                              "install the same one on every host",
                              all.size(), world.rank()),
                  error);
    }
  }
  return all;
}

}  // namespace ebb::doctor
