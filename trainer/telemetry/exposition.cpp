// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.h"

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

constexpr std::array<const char*, RankNumbers::kPlaces> kPlaceNames = {"host", "device"};

ClientMetric sample(MetricType type, double value, Labels labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

// Families in the order in which they are first named.
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

Labels of_rank(const NodeBoard& board, int local_rank, Labels more = {}) {
  more.push_back({"rank", std::to_string(board.of(local_rank).rank)});
  more.push_back({"local_rank", std::to_string(local_rank)});
  more.push_back({"node", board.node()});
  return more;
}

template <class Add>
void for_each_rank(const NodeBoard& board, const Add& add) {
  for (int local_rank = 0; local_rank < board.size(); ++local_rank)
    if (board.of(local_rank).present) add(board.of(local_rank), local_rank);
}

// A value for each rank.
template <class Value>
void by_rank(MetricFamily& family, const NodeBoard& board, const Value& value) {
  for_each_rank(board, [&](const RankNumbers& rank, int local_rank) {
    Families::add(family, value(rank), of_rank(board, local_rank));
  });
}

// A value for each rank and place; a rank without a GPU has one place.
template <class Add>
void for_each_place(const NodeBoard& board, const Add& add) {
  for_each_rank(board, [&](const RankNumbers& rank, int local_rank) {
    for (int place = 0; place < (rank.device ? 2 : 1); ++place) add(rank, local_rank, place);
  });
}

void by_place_and_class(MetricFamily& family, const NodeBoard& board,
                        const std::array<RankNumbers::ByClass, RankNumbers::kPlaces> RankNumbers::* member) {
  for_each_place(board, [&](const RankNumbers& rank, int local_rank, int place) {
    for (int c = 0; c < memory::kClasses; ++c)
      Families::add(family, (rank.*member)[place][c],
                    of_rank(board, local_rank,
                            {{"place", kPlaceNames[place]}, {"class", std::string(memory::kClassNames[c])}}));
  });
}

void by_place(MetricFamily& family, const NodeBoard& board,
              const std::array<Number, RankNumbers::kPlaces> RankNumbers::* member) {
  for_each_place(board, [&](const RankNumbers& rank, int local_rank, int place) {
    Families::add(family, (rank.*member)[place], of_rank(board, local_rank, {{"place", kPlaceNames[place]}}));
  });
}

void add_ranks(const NodeBoard& board, Families& all) {
  MetricFamily& info = all.gauge("ebb_rank_info", "1; joins a rank with its GPU's UUID, empty on a CPU");
  for_each_rank(board, [&](const RankNumbers& rank, int local_rank) {
    Families::add(info, 1, of_rank(board, local_rank, {{"UUID", rank.uuid.data()}}));
  });
  by_place_and_class(all.gauge("ebb_memory_bytes", "Bytes alive at the end of the last step"), board,
                     &RankNumbers::live);
  by_place_and_class(all.gauge("ebb_memory_peak_bytes", "Most bytes alive at once within the last step"),
                     board, &RankNumbers::peak);
  by_place(all.gauge("ebb_memory_budget_bytes",
                     "Bytes that the control group's limit leaves each rank of the host, or that the device "
                     "has; 0: no limit"),
           board, &RankNumbers::budget);
  by_place(all.gauge("ebb_memory_outside_bytes", "Bytes in use that the account does not know"), board,
           &RankNumbers::outside);
  by_rank(all.gauge("ebb_memory_resident_bytes", "Resident set of the process"), board,
          [](const RankNumbers& rank) -> double { return rank.resident; });
  by_rank(all.counter("ebb_memory_leaks_total", "Steps at whose end more was alive than at the one before"),
          board, [](const RankNumbers& rank) -> double { return rank.leaks; });
  MetricFamily& seconds = all.counter("ebb_stage_seconds_total", "Time spent by stage");
  for_each_rank(board, [&](const RankNumbers& rank, int local_rank) {
    for (int s = 0; s < memory::kStages; ++s)
      Families::add(seconds, rank.seconds[s],
                    of_rank(board, local_rank, {{"stage", std::string(memory::kStageNames[s])}}));
  });
  by_rank(all.gauge("ebb_last_step_timestamp_seconds", "When the last step was over, 0 before the first"),
          board, [](const RankNumbers& rank) -> double { return rank.last_step; });
}

// A value for each phase, with its name as a label where there is more than one.
void by_phase(MetricFamily& family, const RunNumbers& run, Number PhaseNumbers::* member) {
  for (const PhaseNumbers& phase : run.phases)
    Families::add(family, phase.*member, run.phases.size() > 1 ? Labels{{"phase", phase.phase}} : Labels{});
}

void add_run(const RunNumbers& run, Families& all) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    Families::add(all.gauge(name, help), value);
  };
  const auto counter = [&](const char* name, const char* help, double value) {
    Families::add(all.counter(name, help), value);
  };
  gauge("ebb_steps_target", "Steps of the whole run", run.steps_target);
  if (run.begun) {
    counter("ebb_steps_total", "Steps done, those before a resume too", run.steps);
    counter("ebb_samples_total", "Samples trained on", run.samples);
    if (run.is_text) counter("ebb_tokens_total", "Tokens trained on", run.tokens);
  }
  if (run.has_step) {
    by_phase(all.gauge("ebb_loss", "Mean loss of the last step"), run, &PhaseNumbers::loss);
    by_phase(all.gauge("ebb_gradient_norm", "Norm of the last step's gradients before clipping"), run,
             &PhaseNumbers::gradient_norm);
    by_phase(all.gauge("ebb_loss_scale", "Loss scale of the last step"), run, &PhaseNumbers::loss_scale);
    by_phase(all.gauge("ebb_learning_rate", "Learning rate of the last step"), run,
             &PhaseNumbers::learning_rate);
  }
  if (run.has_test) gauge("ebb_test_loss", "Loss of the last evaluation", run.test_loss);
  counter("ebb_overflows_total", "Steps skipped because a gradient overflowed, since the process started",
          run.overflows);
  gauge("ebb_overflow_streak", "Steps skipped in a row up to now", run.overflow_streak);
  gauge("ebb_checkpoint_timestamp_seconds", "When the newest checkpoint was whole, 0 before the first",
        run.checkpoint_time);
  gauge("ebb_checkpoint_bytes", "Size of the newest checkpoint", run.checkpoint_bytes);
  gauge("ebb_checkpoint_seconds", "How long its save took, 0 where another process made it",
        run.checkpoint_seconds);
  if (run.utilization > 0)
    gauge("ebb_model_flops_utilization_ratio", "Model FLOPs utilisation of the last step", run.utilization);
  gauge("ebb_ranks", "Ranks of the run", run.ranks);
  Families::add(all.gauge("ebb_build_info", "1; the version of ebb"), 1, {{"version", version()}});
}

}  // namespace

std::vector<MetricFamily> metric_families(const NodeBoard& board, const RunNumbers* run) {
  Families all;
  add_ranks(board, all);
  if (run != nullptr) add_run(*run, all);
  return all.take();
}

std::string exposition_text(const NodeBoard& board, const RunNumbers* run) {
  return prometheus::TextSerializer().Serialize(metric_families(board, run));
}

}  // namespace ebb::telemetry
