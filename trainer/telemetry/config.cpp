// SPDX-License-Identifier: Apache-2.0
#include "telemetry/config.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

namespace ebb::telemetry {

namespace {

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  return inet_pton(AF_INET, text.c_str(), binary.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), binary.data()) == 1;
}

}  // namespace

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
  s.text("address", address)
      .doc(
          "IP address of the interface that serves the metrics. The default serves this host alone. all: "
          "every interface, so that a Prometheus of another host reads them.")
      .free_to_change();
  s.rule({"address"}, [this] {
    return address == "all" || is_ip_address(address)
               ? ""
               : fmt::format("{} is not an IP address: give one of this host, such as 127.0.0.1, or all",
                             address);
  });
}

}  // namespace ebb::telemetry
