// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "telemetry/board.h"

namespace prometheus {
struct MetricFamily;
}

namespace ebb::telemetry {

// The numbers as Prometheus has them: `ebb_*`, in base units, with the labels rank, local_rank and node where
// they are a rank's. `run`: rank 0's numbers of the whole run, without labels; null on other nodes.
std::vector<prometheus::MetricFamily> metric_families(const NodeBoard& board, const RunNumbers* run);

// The same as text, for tests.
std::string exposition_text(const NodeBoard& board, const RunNumbers* run);

// Serves them at http://*:PORT/metrics in threads of its own until it is destroyed.
class MetricsPort {
 public:
  // Error(communication) names the port if it stays in use for five seconds, or is forbidden. `board` and
  // `run` must outlive this object.
  MetricsPort(int port, const NodeBoard& board, const RunNumbers* run);
  ~MetricsPort();
  MetricsPort(const MetricsPort&) = delete;
  MetricsPort& operator=(const MetricsPort&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::telemetry
