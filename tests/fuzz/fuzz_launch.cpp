// SPDX-License-Identifier: Apache-2.0
// What `ebb launch` reads: one byte chooses a host file, the standard error of mpirun, or a stored verdict.
#include "fuzz/input.h"
#include "launch/error_report.h"
#include "launch/hosts.h"
#include "launch/noise_filter.h"
#include "launch/stored_verdict.h"

namespace ebb::fuzz {
namespace {

void read_hosts(const InputFolder& folder, std::string_view text) {
  folder.put("hosts", text);
  refused_or_read(ExitCode::usage, [&] {
    for (const std::string& host : launch::read_hostfile(folder.path() / "hosts")) require(!host.empty());
  });
}

// The parts of the text do not matter.
void read_errors(std::string_view text) {
  launch::ErrorReportParser whole, parts;
  whole.feed(text);
  launch::NoiseFilter filter;
  std::string shown;
  for (std::size_t at = 0; at < text.size(); at += 7) {
    parts.feed(text.substr(at, 7));
    shown += filter.feed(text.substr(at, 7));
  }
  shown += filter.flush();
  require(!filter.holding());
  require(shown.size() <= text.size());
  require(whole.found().text == parts.found().text && whole.found().rank == parts.found().rank);
  require(whole.found().text.find('\n') == std::string::npos);
}

void read_stored(const InputFolder& folder, std::string_view text) {
  folder.put("verdict.json", text);
  const auto verdict = launch::read_verdict(folder.path());
  if (!verdict) return;
  launch::store_verdict(folder.path(), *verdict);
  const auto again = launch::read_verdict(folder.path());
  require(again && again->code == verdict->code && again->job == verdict->job);
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  if (size == 0) return 0;
  const std::string_view text = fuzz::text(data + 1, size - 1);
  if (data[0] % 3 == 0) fuzz::read_hosts(folder, text);
  if (data[0] % 3 == 1) fuzz::read_errors(text);
  if (data[0] % 3 == 2) fuzz::read_stored(folder, text);
  return 0;
}
