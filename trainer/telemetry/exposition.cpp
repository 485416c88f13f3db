// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <utility>

#include "base/version.h"

namespace ebb::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::array<const char*, RankMetrics::kLocations> kLocationNames = {"host", "device"};

ClientMetric sample(MetricType type, double value, Labels labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

// Families in the order of their first use.
class Families {
 public:
  MetricFamily& gauge(const char* name, const char* help) { return family(name, help, MetricType::Gauge); }
  MetricFamily& counter(const char* name, const char* help) {
    return family(name, help, MetricType::Counter);
  }
  static void add(MetricFamily& family, double value, Labels labels = {}) {
    family.metric.push_back(sample(family.type, value, std::move(labels)));
  }
  std::vector<MetricFamily> take() { return std::move(all_); }

 private:
  MetricFamily& family(const char* name, const char* help, MetricType type) {
    all_.push_back({name, help, type, {}});
    return all_.back();
  }
  std::vector<MetricFamily> all_;
};

Labels of_rank(const NodeMetrics& node, int local_rank, Labels more = {}) {
  more.push_back({"rank", std::to_string(node.of(local_rank).rank)});
  more.push_back({"local_rank", std::to_string(local_rank)});
  more.push_back({"node", node.node_name()});
  return more;
}

template <class Add>
void for_each_rank(const NodeMetrics& node, const Add& add) {
  for (int local_rank = 0; local_rank < node.size(); ++local_rank)
    if (node.of(local_rank).present) add(node.of(local_rank), local_rank);
}

// Adds a value for each rank.
template <class Value>
void by_rank(MetricFamily& family, const NodeMetrics& node, const Value& value) {
  for_each_rank(node, [&](const RankMetrics& rank, int local_rank) {
    Families::add(family, value(rank), of_rank(node, local_rank));
  });
}

// Calls `add` for each rank and location (the label `place`); a rank without a GPU has one location.
template <class Add>
void for_each_location(const NodeMetrics& node, const Add& add) {
  for_each_rank(node, [&](const RankMetrics& rank, int local_rank) {
    for (int location = 0; location < (rank.device ? 2 : 1); ++location) add(rank, local_rank, location);
  });
}

void by_location_and_class(
    MetricFamily& family, const NodeMetrics& node,
    const std::array<RankMetrics::ByClass, RankMetrics::kLocations> RankMetrics::* member) {
  for_each_location(node, [&](const RankMetrics& rank, int local_rank, int location) {
    for (int c = 0; c < memory::kClasses; ++c)
      Families::add(
          family, (rank.*member)[location][c],
          of_rank(node, local_rank,
                  {{"place", kLocationNames[location]}, {"class", std::string(memory::kClassNames[c])}}));
  });
}

void by_location(MetricFamily& family, const NodeMetrics& node,
                 const std::array<SharedValue, RankMetrics::kLocations> RankMetrics::* member) {
  for_each_location(node, [&](const RankMetrics& rank, int local_rank, int location) {
    Families::add(family, (rank.*member)[location],
                  of_rank(node, local_rank, {{"place", kLocationNames[location]}}));
  });
}

void add_ranks(const NodeMetrics& node, Families& all) {
  MetricFamily& info = all.gauge("ebb_rank_info", "1; joins a rank with its GPU's UUID, empty on a CPU");
  for_each_rank(node, [&](const RankMetrics& rank, int local_rank) {
    Families::add(info, 1, of_rank(node, local_rank, {{"UUID", rank.uuid.data()}}));
  });
  by_location_and_class(all.gauge("ebb_memory_bytes", "Bytes alive at the end of the last step"), node,
                        &RankMetrics::live);
  by_location_and_class(all.gauge("ebb_memory_peak_bytes", "Maximum of live bytes within the last step"),
                        node, &RankMetrics::peak);
  by_location(
      all.gauge(
          "ebb_memory_budget_bytes",
          "Memory limit: the smaller of memory.budget and the control group's limit divided by the ranks of "
          "the host, or that of the device; 0: no limit"),
      node, &RankMetrics::budget);
  by_location(all.gauge("ebb_memory_outside_bytes", "Bytes in use outside of the ledger"), node,
              &RankMetrics::outside);
  by_rank(all.gauge("ebb_memory_resident_bytes", "Resident set of the process"), node,
          [](const RankMetrics& rank) -> double { return rank.resident; });
  by_rank(all.counter("ebb_memory_leaks_total", "Steps after which live bytes differed from the step before"),
          node, [](const RankMetrics& rank) -> double { return rank.leaks; });
  MetricFamily& seconds = all.counter("ebb_stage_seconds_total", "Time spent by stage");
  for_each_rank(node, [&](const RankMetrics& rank, int local_rank) {
    for (int s = 0; s < memory::kStages; ++s)
      Families::add(seconds, rank.seconds[s],
                    of_rank(node, local_rank, {{"stage", std::string(memory::kStageNames[s])}}));
  });
  by_rank(all.gauge("ebb_last_step_timestamp_seconds", "End of the last step, 0 before the first"), node,
          [](const RankMetrics& rank) -> double { return rank.last_step; });
}

// Adds a value for each phase; with several phases, the name is a label.
void by_phase(MetricFamily& family, const RunMetrics& run, SharedValue PhaseGauges::* member) {
  for (const PhaseGauges& phase : run.phases)
    Families::add(family, phase.*member, run.phases.size() > 1 ? Labels{{"phase", phase.phase}} : Labels{});
}

void add_run(const RunMetrics& run, Families& all) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    Families::add(all.gauge(name, help), value);
  };
  const auto counter = [&](const char* name, const char* help, double value) {
    Families::add(all.counter(name, help), value);
  };
  gauge("ebb_steps_target", "Steps of the whole run", run.steps_target);
  if (run.started) {
    counter("ebb_steps_total", "Steps done, including those before a resume", run.steps);
    counter("ebb_samples_total", "Samples trained on", run.samples);
    if (!run.unit.name.empty())
      counter(fmt::format("ebb_{}_total", run.unit.name).c_str(),
              fmt::format("Number of {} trained on", run.unit.name).c_str(),
              run.samples * run.unit.per_sample);
  }
  if (run.has_step) {
    by_phase(all.gauge("ebb_loss", "Mean loss of the last step"), run, &PhaseGauges::loss);
    by_phase(all.gauge("ebb_gradient_norm", "Norm of the last step's gradients before clipping"), run,
             &PhaseGauges::gradient_norm);
    by_phase(all.gauge("ebb_loss_scale", "Loss scale of the last step"), run, &PhaseGauges::loss_scale);
    by_phase(all.gauge("ebb_learning_rate", "Learning rate of the last step"), run,
             &PhaseGauges::learning_rate);
  }
  if (run.has_test) gauge("ebb_test_loss", "Loss of the last evaluation", run.test_loss);
  counter("ebb_overflows_total", "Steps skipped because a gradient overflowed, since the process started",
          run.overflows);
  gauge("ebb_overflow_streak", "Steps skipped in a row up to the last one", run.overflow_streak);
  gauge("ebb_checkpoint_timestamp_seconds", "Completion of the newest checkpoint, 0 before the first",
        run.checkpoint_time);
  gauge("ebb_checkpoint_bytes", "Size of the newest checkpoint", run.checkpoint_bytes);
  gauge("ebb_checkpoint_seconds", "Duration of its save, 0 if another process made it",
        run.checkpoint_seconds);
  if (run.utilization > 0)
    gauge("ebb_model_flops_utilization_ratio", "Model FLOPs utilisation of the last step", run.utilization);
  gauge("ebb_ranks", "Ranks of the run", run.ranks);
  Families::add(all.gauge("ebb_build_info", "1; the version of ebb"), 1, {{"version", version()}});
}

}  // namespace

std::vector<MetricFamily> metric_families(const NodeMetrics& node, const RunMetrics* run) {
  Families all;
  add_ranks(node, all);
  if (run != nullptr) add_run(*run, all);
  return all.take();
}

std::string exposition_text(const NodeMetrics& node, const RunMetrics* run) {
  return prometheus::TextSerializer().Serialize(metric_families(node, run));
}

}  // namespace ebb::telemetry
