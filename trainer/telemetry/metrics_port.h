// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "telemetry/node_metrics.h"

namespace ebb::telemetry {

// Serves the metrics of a node at http://*:PORT/metrics in background threads until it is destroyed.
class MetricsPort {
 public:
  // Error(communication) names the port if it stays in use for five seconds, or is forbidden. `node` and
  // `run` must outlive this object. `run`: rank 0's metrics of the whole run; null on other nodes.
  MetricsPort(int port, const NodeMetrics& node, const RunMetrics* run);
  ~MetricsPort();
  MetricsPort(const MetricsPort&) = delete;
  MetricsPort& operator=(const MetricsPort&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::telemetry
