// SPDX-License-Identifier: Apache-2.0
#include "telemetry/config.h"

namespace ebb::telemetry {

void TelemetryConfig::describe(config::Section& s) {
  s.duration("progress_every", progress_every_s)
      .above(0)
      .doc(
          "Time between two progress lines if the output is not a terminal. On a terminal, one line is "
          "updated "
          "in place.")
      .free_to_change();
  s.integer("port", port)
      .at_least(0)
      .at_most(65535)
      .doc(
          "Port at which the first rank of each host serves the metrics of its host's ranks to Prometheus, "
          "as /metrics. 0 opens no port.")
      .free_to_change();
}

}  // namespace ebb::telemetry
