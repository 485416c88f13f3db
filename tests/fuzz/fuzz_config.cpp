// The strict YAML reader with overrides: "KEY=VALUE\n…\n---\nYAML". What it takes, it writes so that it reads
// the same again.
#include "checkpoint/config.h"
#include "config/document.h"
#include "data/config.h"
#include "fuzz/input.h"
#include "memory/config.h"
#include "telemetry/config.h"

namespace ebb::fuzz {
namespace {

// Every kind of value that there is.
struct Everything {
  data::DataConfig data;
  memory::MemoryConfig memory;
  checkpoint::CheckpointConfig checkpoint;
  telemetry::TelemetryConfig telemetry;
  double rate = 1e-3, timeout_s = 300;
  std::optional<std::int64_t> threads;
  config::Section described() {
    config::Section s;
    s.section("data", data, "Data.");
    s.section("memory", memory, "Memory.");
    s.section("checkpoint", checkpoint, "Checkpoints.");
    s.section("telemetry", telemetry, "Telemetry.");
    s.number("rate", rate).above(0).below(1).doc("A number.");
    s.duration("timeout", timeout_s).above(0).doc("A time.");
    s.integer_or_auto("threads", threads).at_least(1).doc("A count.");
    return s;
  }
};

void read(std::string_view input) {
  std::vector<std::string> overrides;
  std::string_view yaml = input;
  if (const auto end = input.find("\n---\n"); end != std::string_view::npos) {
    yaml = input.substr(end + 5);
    std::string_view head = input.substr(0, end);
    while (!head.empty() && overrides.size() < 8) {
      const auto line = head.substr(0, head.find('\n'));
      overrides.emplace_back(line);
      head.remove_prefix(std::min(head.size(), line.size() + 1));
    }
  }
  Everything once, again;
  config::Section first = once.described(), second = again.described();
  config::load_text(std::string(yaml), "fuzz", overrides, first);
  const std::string written = config::resolved_yaml(first);
  config::load_text(written, "again", {}, second);
  require(config::resolved_yaml(second) == written);
  require(config::digest(second) == config::digest(first));
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  fuzz::refused_or_read(ExitCode::usage, [&] { fuzz::read(fuzz::text(data, size)); });
  return 0;
}
