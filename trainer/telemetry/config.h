// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "config/section.h"

namespace ebb::telemetry {

// The section `telemetry:` of the configuration. No key of it changes a result.
struct TelemetryConfig {
  double progress_every_s = 5;        // between two progress lines if the output is not a terminal
  std::int64_t port = 0;              // of the metrics server; 0: no server
  std::string address = "127.0.0.1";  // of the interface that it listens on; "all": every one
  void describe(config::Section& s);
};

}  // namespace ebb::telemetry
