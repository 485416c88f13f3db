// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "doctor/checkup.h"

namespace ebb::doctor {

// The result of one attempt on one rank.
struct Outcome {
  int rank = 0;
  std::string host;
  int code = 0;         // ExitCode; 0: success
  std::string message;  // of the failure
  std::string found;    // on success: a value for the caller to compare or print
  double seconds = 0;   // duration of the attempt

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static Outcome parse(const std::string& text);
};

// Makes one line of `ebb preflight` about an attempt on every rank. It names the first failed rank and the
// number of other failed ranks; if all succeeded, it shows `found`.
Check summarize(const std::string& name, const std::vector<Outcome>& outcomes, const std::string& found);

// "1.2 GiB/s".
std::string rate_text(double bytes, double seconds);

}  // namespace ebb::doctor
