// SPDX-License-Identifier: Apache-2.0
// docs/memory-log.md and the program's output have the same keys, classes and stages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "telemetry/memory_log.h"

namespace ebb::telemetry {
namespace {

using Json = nlohmann::json;
using memory::Class;
using memory::Ledger;
using memory::Stage;
using Names = std::set<std::string>;

std::string document() {
  std::ifstream in(std::string(std::getenv("EBB_SOURCE_DIR")) + "/docs/memory-log.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

// The text from `start` to `end`; empty if the document has no such part.
std::string between(const std::string& start, const std::string& end) {
  const std::string text = document();
  const auto from = text.find(start);
  if (from == std::string::npos) return "";
  const auto begin = from + start.size();
  return text.substr(begin, text.find(end, begin) - begin);
}

// The texts between backticks.
void add_names(std::string_view text, const std::string& prefix, Names& names) {
  for (auto tick = text.find('`'); tick != text.npos; tick = text.find('`', tick)) {
    const auto end = text.find('`', tick + 1);
    names.insert(prefix + std::string(text.substr(tick + 1, end - tick - 1)));
    tick = end == text.npos ? end : end + 1;
  }
}

// The names in the first column of a table.
void add_first_column(const std::string& part, const std::string& prefix, Names& names) {
  std::istringstream lines(part);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| `")) add_names(line.substr(0, line.find('|', 1)), prefix, names);
}

Names documented_keys() {
  Names names;
  add_first_column(between("## Keys", "In `device`:"), "", names);
  add_first_column(between("In `device`:", "Classes:"), "device.", names);
  return names;
}

Names names_in(const std::string& part) {
  Names names;
  add_names(part, "", names);
  return names;
}

Names names_of(const auto& list) {
  return {list.begin(), list.end()};
}

// The keys of a line, those of `cgroup` and `device` with their own.
Names keys(const Json& line) {
  Names names;
  for (const auto& [key, value] : line.items()) {
    if (key != "cgroup") names.insert(key);
    if (key != "cgroup" && key != "device") continue;
    for (const auto& [inner, ignored] : value.items())
      if (value.is_object()) names.insert(key + "." + inner);
  }
  return names;
}

class MemoryLogDocument : public ::testing::Test {
 protected:
  // A step with a block of a class on the host and one on the device.
  [[nodiscard]] Json line(bool with_device, const char* phase = "") {
    ledger_.enter_phase(phase);
    ledger_.enter(Stage::forward);
    ledger_.record(&ledger_, 500, Ledger::Location::host, Class::activations, "h");
    ledger_.record(&ledger_, 900, Ledger::Location::device, Class::parameters, "w");
    memory::SystemMemory outside = memory::measure_system_memory(ledger_);
    if (with_device) {
      outside.device_used = 4000;
      outside.device_total = 8000;
      outside.device_reserved = 2000;
      outside.largest_free_block = 1000;
    }
    return Json::parse(memory_line({7, 1.5, 3, "node-a"}, ledger_, outside));
  }
  Ledger ledger_;
};

TEST_F(MemoryLogDocument, NamesEveryKeyOfALineAndNoOther) {
  EXPECT_TRUE(line(false)["device"].is_null());
  EXPECT_EQ(documented_keys(), keys(line(true, "generator")));
}

TEST_F(MemoryLogDocument, NamesEveryClassAndStageAndNoOther) {
  EXPECT_EQ(names_in(between("\nClasses: ", "\n\n")), names_of(memory::kClassNames));
  EXPECT_EQ(names_in(between("\nStages: ", "\n\n")), names_of(memory::kStageNames));
}

TEST_F(MemoryLogDocument, ItsExampleIsALineWhoseSumsHold) {
  const Json example = Json::parse(between("```json\n", "```"));
  EXPECT_EQ(keys(example), keys(line(false)));
  std::int64_t total = 0;
  for (const auto& [cls, bytes] : example["live"].items()) total += bytes.get<std::int64_t>();
  EXPECT_EQ(example["live_total"], total);
  EXPECT_EQ(example["outside"], example["resident"].get<std::int64_t>() - total);
  for (const auto& [cls, bytes] : example["peak"].items()) {
    std::int64_t largest = 0;
    for (const auto& [stage, sums] : example["stages"].items())
      largest = std::max(largest, sums.value(cls, std::int64_t{0}));
    EXPECT_EQ(bytes, largest) << cls;
  }
}

TEST_F(MemoryLogDocument, APhasesPeaksAreByClassOnEachPlace) {
  Json with_phase = line(true, "generator");
  Json& host = with_phase["phases"]["generator"];
  Json& device = with_phase["device"]["phases"]["generator"];
  for (Json* phase : {&host, &device}) {
    ASSERT_TRUE(phase->contains("at_start"));
    EXPECT_EQ(phase->at("at_start").size(), static_cast<std::size_t>(memory::kClasses));
    phase->erase("at_start");
  }
  EXPECT_EQ(host, Json::parse(R"({"activations": 500})"));
  EXPECT_EQ(device, Json::parse(R"({"parameters": 900})"));
}

TEST_F(MemoryLogDocument, NamesTheBytesAtTheStartOfAPhase) {
  EXPECT_NE(between("| `phases` |", "\n").find("`at_start`"), std::string::npos);
}

TEST_F(MemoryLogDocument, ADevicesFiguresAreItsOwn) {
  const Json device = line(true)["device"];
  EXPECT_EQ(device["live_total"], 900);
  EXPECT_EQ(device["live"]["parameters"], 900);
  EXPECT_EQ(device["stages"], Json::parse(R"({"forward": {"parameters": 900}})"));
  EXPECT_EQ(device["used"], 4000);
  EXPECT_EQ(device["total"], 8000);
  EXPECT_EQ(device["reserved"], 2000);
  EXPECT_EQ(device["largest_free_block"], 1000);
}

}  // namespace
}  // namespace ebb::telemetry
