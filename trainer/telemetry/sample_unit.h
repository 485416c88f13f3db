// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::telemetry {

// The parts of one sample, such as 128 "tokens". Throughput is reported in this unit too.
struct SampleUnit {
  std::string name;       // in the plural; empty: throughput is reported only in samples
  double per_sample = 0;  // parts in one sample
};

}  // namespace ebb::telemetry
