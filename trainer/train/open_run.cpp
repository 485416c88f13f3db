// SPDX-License-Identifier: Apache-2.0
#include "train/open_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "comm/run_on_all_ranks.h"
#include "train/run_logger.h"

namespace ebb::train {

OpenedRun open_run(const Config& config, const comm::World& world, const StopRequest& stop) {
  const double timeout_s = config.parallel.timeout_s;
  const double lease_timeout_s = std::max(timeout_s, 1e9);  // another run may be long
  const double expire_s = config.run.lease_expires_s, renew_s = expire_s / 4;
  const bool takes_lease = world.rank() == 0;
  OpenedRun opened;
  const auto open_data = [&] { opened.splits = open_splits(config, world); };
  comm::run_on_all_ranks(world, timeout_s, open_data);
  const std::string held = comm::gather_from_all(world, lease_timeout_s, [&] {
    if (stop.requested())
      throw Error(ExitCode::stopped,
                  fmt::format("{} received {} before the first step: no training was started",
                              config.run.folder().string(), stop.signal_name()));
    if (takes_lease)
      opened.lease = checkpoint::Lease::acquire_if_free(config.run.folder(), renew_s, expire_s);
    return std::string(takes_lease && !opened.lease ? "held" : "");
  })[0];
  if (held.empty()) return opened;
  opened.splits = {};
  comm::run_on_all_ranks(world, lease_timeout_s, [&] {
    if (takes_lease)
      opened.lease =
          std::make_unique<checkpoint::Lease>(config.run.folder(), config.run.when_held, renew_s, expire_s,
                                              print_note, [&stop] { return stop.requested(); });
  });
  comm::run_on_all_ranks(world, timeout_s, open_data);
  return opened;
}

}  // namespace ebb::train
