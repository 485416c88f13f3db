#include "telemetry/config.h"

namespace ebb::telemetry {

void TelemetryConfig::describe(config::Section& s) {
  s.duration("progress_every", progress_every_s)
      .above(0)
      .doc(
          "Time between two lines of progress where the output is no terminal; on a terminal one line renews "
          "itself.")
      .free_to_change();
  s.integer("port", port)
      .at_least(0)
      .at_most(65535)
      .doc(
          "Port at which the first rank of each host serves its ranks' numbers to Prometheus, as /metrics; "
          "0: "
          "none.")
      .free_to_change();
}

}  // namespace ebb::telemetry
