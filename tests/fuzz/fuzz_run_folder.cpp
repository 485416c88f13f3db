// SPDX-License-Identifier: Apache-2.0
// What a resume reads in its run folder: one byte chooses the lease, the results, or a log of JSON lines.
#include "base/json.h"
#include "checkpoint/lease_file.h"
#include "fuzz/input.h"
#include "telemetry/log_file.h"
#include "train/run_folder.h"

namespace ebb::fuzz {
namespace {

void read_lease(std::string_view text) {
  const auto holder = checkpoint::LeaseHolder::parse(std::string(text));
  if (!holder) return;
  require(holder->expire_s <= checkpoint::kLongestExpiry_s && holder->renew_s >= 0);
  require(!holder->describe().empty());
  const auto again = checkpoint::LeaseHolder::parse(holder->to_text());
  require(again && again->token == holder->token && again->pid == holder->pid);
}

void read_results(const InputFolder& folder, std::string_view text) {
  folder.put("results.json", text);
  folder.put("rollback.json", text);
  refused_or_read(ExitCode::checkpoint, [&] { (void)train::read_results(folder.path()); });
  refused_or_read(ExitCode::checkpoint, [&] { (void)train::read_rollback(folder.path()); });
}

// What stays is a beginning of the log that ends with a line, and a second pass changes nothing.
void cut_log(const InputFolder& folder, std::string_view text, std::int64_t step) {
  folder.put("metrics.jsonl", text);
  const auto path = folder.path() / "metrics.jsonl";
  telemetry::drop_lines_from(path, step);
  const auto bytes = std::filesystem::file_size(path);
  require(bytes <= text.size());
  require(bytes == 0 || bytes == text.size() || text[bytes - 1] == '\n');
  telemetry::drop_lines_from(path, step);
  require(std::filesystem::file_size(path) == bytes);
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  if (size < 2) return 0;
  const std::string_view text = fuzz::text(data + 2, size - 2);
  if (data[0] % 3 == 0) fuzz::read_lease(text);
  if (data[0] % 3 == 1) fuzz::read_results(folder, text);
  if (data[0] % 3 == 2) fuzz::cut_log(folder, text, data[1]);
  return 0;
}
