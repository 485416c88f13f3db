// SPDX-License-Identifier: Apache-2.0
// docs/metrics.md explains the numbers of a run. It has every key of a line and every metric of the port, and
// no other.
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "support/folder_test.h"
#include "support/process.h"
#include "telemetry/exposition.h"
#include "telemetry/metrics.h"

namespace ebb::telemetry {
namespace {

// The names in backquotes of the first column of the table in the section with this heading.
std::set<std::string> documented(const std::string& heading) {
  std::istringstream page(read_file(test::source_dir() + "/docs/metrics.md", ExitCode::internal));
  std::set<std::string> names;
  std::string section;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("#")) section = line;
    if (section != heading || !line.starts_with("| `")) continue;
    const std::string column = line.substr(2, line.find('|', 2) - 2);
    const std::regex name("`([a-z_]+)`");
    for (std::sregex_iterator it(column.begin(), column.end(), name), end; it != end; ++it)
      names.insert((*it)[1]);
  }
  return names;
}

class MetricsDocument : public test::FolderTest {};

TEST_F(MetricsDocument, NamesEveryKeyOfAStepAndNoOther) {
  StepMetrics m;
  m.phases.resize(2);
  m.phases[0].phase = "discriminator";
  m.phases[1].phase = "generator";
  m.phases[0].terms = {{"kl", 1.0}};
  m.phases[0].skipped_runs = 1;
  m.unit = {"tokens", 1};
  m.mfu = 0.5;
  m.phases[1].reduction_s = 1;
  m.phases[0].overflowed = "decoder.weight";
  m.phases[0].overflowed_term = "kl";
  m.phases[0].overflowed_by = {"kl"};
  m.phases[0].scheduled = {{"beta2", 0.9}};
  m.rank_seconds.resize(2);
  m.straggler = Straggler{1, memory::Stage::load, 1, 2};
  Metrics(folder_, 0).write(m);
  std::set<std::string> written;
  const auto line = nlohmann::json::parse(contents("metrics.jsonl"));
  for (const auto& [key, value] : line.items()) written.insert(key);
  EXPECT_EQ(documented("# The metrics"), written);
}

TEST_F(MetricsDocument, NamesEveryMetricOfThePortAndNoOther) {
  const comm::World world(0, nullptr);
  NodeMetrics node(world, folder_, 10);
  node.mine().present = true;
  RunMetrics run({"vae"});
  run.started = run.has_step = run.has_test = true;
  run.unit = {"tokens", 1};
  run.utilization = 0.5;
  std::istringstream text(exposition_text(node, &run));
  std::set<std::string> served, typed;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("# TYPE ")) {
      served.insert(line.substr(7, line.find(' ', 7) - 7));
      typed.insert(line.substr(7));
    }
  EXPECT_EQ(documented("## The port"), served);
  // The list against which the chart's alerts and dashboard are checked: name and type.
  std::istringstream list(read_file(test::source_dir() + "/docs/metrics-served.txt", ExitCode::internal));
  std::set<std::string> listed;
  std::string name, type;
  for (std::string line; std::getline(list, line);)
    if (std::istringstream(line) >> name >> type && name != "#") listed.insert(name + " " + type);
  EXPECT_EQ(listed, typed);
}

}  // namespace
}  // namespace ebb::telemetry
