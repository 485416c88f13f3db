// SPDX-License-Identifier: Apache-2.0
#include "comm/single_communicator.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "base/error.h"
#include "comm/check.h"
#include "comm/completed_work.h"

namespace ebb::comm {

std::unique_ptr<Work> SingleCommunicator::start(Collective collective) {
  {
    const std::lock_guard lock(mutex_);
    if (aborted_) {
      throw Error(ExitCode::communication, fmt::format("{} \"{}\" was not started: {}", name(collective.kind),
                                                       collective.label, reason_));
    }
  }
  check(collective, 1, device_.type());
  const bool moves =
      collective.kind == CollectiveKind::reduce_scatter || collective.kind == CollectiveKind::all_gather;
  if (moves && collective.output.data_ptr() != collective.input.data_ptr()) {
    const at::NoGradGuard no_grad;
    collective.output.view({-1}).copy_(collective.input.view({-1}));
  }
  return std::make_unique<CompletedWork>();
}

void SingleCommunicator::abort(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (!aborted_) reason_ = reason;
  aborted_ = true;
}

}  // namespace ebb::comm
