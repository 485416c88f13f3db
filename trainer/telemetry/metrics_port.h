// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>

#include "telemetry/node_metrics.h"

namespace ebb::telemetry {

// Serves the metrics of a node at http://ADDRESS:PORT/metrics in background threads until it is destroyed.
// Several clients are served at once. A connection without a request is closed after kIdle_s seconds.
class MetricsPort {
 public:
  static constexpr int kClients = 4, kIdle_s = 5;

  // `address`: as TelemetryConfig::address.
  // Error(communication) names the port if it stays in use for five seconds, or is forbidden. `node` and
  // `run` must outlive this object. `run`: rank 0's metrics of the whole run; null on other nodes.
  MetricsPort(const std::string& address, int port, const NodeMetrics& node, const RunMetrics* run);
  ~MetricsPort();
  MetricsPort(const MetricsPort&) = delete;
  MetricsPort& operator=(const MetricsPort&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::telemetry
