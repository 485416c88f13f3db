// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "telemetry/node_metrics.h"

namespace prometheus {
struct MetricFamily;
}

namespace ebb::telemetry {

// Returns the metrics in the form of Prometheus: `ebb_*`, in base units. Metrics of a rank have the labels
// rank, local_rank and node. `run`: rank 0's metrics of the whole run, without labels; null on other nodes.
std::vector<prometheus::MetricFamily> metric_families(const NodeMetrics& node, const RunMetrics* run);

// The same as text, for tests.
std::string exposition_text(const NodeMetrics& node, const RunMetrics* run);

}  // namespace ebb::telemetry
