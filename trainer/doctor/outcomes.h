#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "doctor/checkup.h"

namespace ebb::doctor {

// What became of one thing that each rank tried.
struct Outcome {
  int rank = 0;
  std::string host;
  int code = 0;         // ExitCode; 0: it went well
  std::string message;  // of what did not
  std::string found;    // of what did: what should be the same on all ranks
  double seconds = 0;   // that it took

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static Outcome parse(const std::string& text);
};

// One line of `ebb preflight` about what every rank tried: the first rank that failed is named, with how many
// more did; else `found`.
Check judge(const std::string& name, const std::vector<Outcome>& outcomes, const std::string& found);

// Bytes a second, for people: "1.2 GiB/s".
std::string rate_text(double bytes, double seconds);

}  // namespace ebb::doctor
