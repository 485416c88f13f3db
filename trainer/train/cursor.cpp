// SPDX-License-Identifier: Apache-2.0
#include "train/cursor.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"

namespace ebb::train {

std::int64_t Cursor::skipped_samples() const {
  std::int64_t samples = 0;
  for (const SampleRange& range : skipped_) samples += range.end - range.begin;
  return samples;
}

std::int64_t Cursor::stream_position() const {
  return step * samples_per_step_ + skipped_samples();
}

void Cursor::skip_to(std::int64_t end) {
  // From where this cursor stands. Ranges that the run has skipped since then lie within.
  const std::int64_t begin = stream_position();
  if (end <= begin) return;
  if (!skipped_.empty() && skipped_.back().end == begin) {
    skipped_.back().end = end;
  } else if (skipped_.size() < kMaxRanges) {
    skipped_.push_back({begin, end});
  } else {
    throw Error(ExitCode::numerics,
                fmt::format("the run has diverged, and has already skipped {} ranges of samples, the most "
                            "that it may. Lower the learning rate, or examine the data",
                            kMaxRanges));
  }
}

core::State Cursor::state() {
  nlohmann::json ranges = nlohmann::json::array();
  for (const SampleRange& range : skipped_) ranges.push_back({range.begin, range.end});
  return {{},
          {{"step", step},
           {"seed", seed_},
           {"stream_position", stream_position()},
           {"skipped", std::move(ranges)},
           {"loss_watch", loss_watch.state()}}};
}

void Cursor::restore(const nlohmann::json& values) {
  step = whole_number(values.at("step"), 0, kLastPosition / samples_per_step_);
  skipped_.clear();
  // Older checkpoints have neither of the two.
  const nlohmann::json ranges = values.value("skipped", nlohmann::json::array());
  (void)whole_number(nlohmann::json(ranges.size()), 0, kMaxRanges);
  std::int64_t end = 0;
  for (const nlohmann::json& range : ranges) {
    const std::int64_t begin = whole_number(range.at(0), end, kLastPosition);
    end = whole_number(range.at(1), begin, kLastPosition);
    skipped_.push_back({begin, end});
  }
  loss_watch.restore(values.value("loss_watch", nlohmann::json::object()));
}

}  // namespace ebb::train
