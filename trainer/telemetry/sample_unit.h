// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::telemetry {

// What one sample of a run consists of, such as 128 "tokens". Throughput is counted in it beside samples.
struct SampleUnit {
  std::string name;       // in the plural; empty: throughput is counted in samples alone
  double per_sample = 0;  // of it
};

}  // namespace ebb::telemetry
