// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"

namespace ebb::telemetry {

// The section `telemetry:` of the configuration. No key of it changes a result.
struct TelemetryConfig {
  double progress_every_s = 5;  // between two progress lines if the output is no terminal
  std::int64_t port = 0;        // serves the metrics; 0 serves none
  void describe(config::Section& s);
};

}  // namespace ebb::telemetry
