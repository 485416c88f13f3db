#pragma once
#include <cstdint>

#include "config/section.h"

namespace ebb::telemetry {

// `telemetry:` of the configuration. Nothing in it changes what is computed.
struct TelemetryConfig {
  double progress_every_s = 5;  // between two lines of progress where there is no terminal
  std::int64_t port = 0;        // of the metrics; 0: none
  void describe(config::Section& s);
};

}  // namespace ebb::telemetry
