// SPDX-License-Identifier: Apache-2.0
#include "telemetry/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "base/units.h"

namespace ebb::telemetry {
namespace {

constexpr double kTerminalEvery_s = 0.1;
constexpr std::string_view kClear = "\r\x1b[K";

double steady_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void put(std::FILE* out, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
}

}  // namespace

Progress::Progress(std::FILE* out, Screen screen, std::int64_t total_steps, double every_s,
                   ClockFunction clock, int columns)
    : out_(out),
      screen_(screen),
      total_steps_(total_steps),
      every_s_(every_s),
      clock_(clock ? std::move(clock) : steady_s),
      columns_(columns) {}

Progress::~Progress() {
  finish();
}

void Progress::update(const ProgressState& state) {
  state_ = state;
  work_.clear();
  pending_ = true;
  now_s_ = clock_();
  if (!first_step_) {
    first_step_ = state.step;
    first_s_ = now_s_;
  }
  const double every_s = updates_in_place() ? kTerminalEvery_s : every_s_;
  if (!shown_s_ || now_s_ - *shown_s_ >= every_s) show();
}

void Progress::begin_work(const std::string& what) {
  work_ = what;
  now_s_ = clock_();
  if (updates_in_place() || !shown_s_ || now_s_ - *shown_s_ >= every_s_) show();
}

void Progress::note(const std::string& text) {
  erase();
  put(out_, wrap(text, columns()) + "\n");
  if (updates_in_place() && shown_s_) show();
  std::fflush(out_);
}

void Progress::finish() {
  if (pending_) show();
  if (line_open_) put(out_, "\n");
  line_open_ = false;
  shown_s_.reset();
  std::fflush(out_);
}

void Progress::show() {
  if (updates_in_place()) {
    // The last column stays empty: some terminals wrap once it is written.
    put(out_, kClear);
    put(out_, line(columns() - 1));
    line_open_ = true;
  } else {
    put(out_, line(screen_ == Screen::none ? 10'000 : columns()) + "\n");
  }
  std::fflush(out_);
  pending_ = false;
  shown_s_ = now_s_;
}

void Progress::erase() {
  if (line_open_) put(out_, kClear);
  line_open_ = false;
}

int Progress::columns() const {
  return columns_ > 0 ? columns_ : output_columns();
}

std::string Progress::line(int columns) const {
  struct Item {
    std::string text;
    int priority;  // 0 is the highest; a line that is too long loses the items of lowest priority
  };
  const std::int64_t done = state_.step - first_step_.value_or(state_.step);
  std::string left;
  if (done > 0 && state_.step < total_steps_) {
    left = format_duration((now_s_ - first_s_) / static_cast<double>(done) *
                           static_cast<double>(total_steps_ - state_.step)) +
           " left";
  }
  if (!first_step_) return work_.substr(0, static_cast<std::size_t>(std::max(columns, 1)));
  std::array<Item, 7> items = {{{fmt::format("step {}/{}", state_.step, total_steps_), 0},
                                {work_, 1},
                                {fmt::format("loss {:.5g}", state_.loss), 1},
                                {fmt::format("{:.0f} {}/s", state_.per_s, state_.unit), 3},
                                {fmt::format("scale {:g}", state_.scale), 5},
                                {"peak " + format_bytes(state_.peak_bytes), 4},
                                {left, 2}}};
  const auto width = static_cast<std::size_t>(std::max(columns, 1));
  std::string text;
  for (int limit = 5; limit >= 0; --limit) {
    text.clear();
    for (const Item& item : items) {
      if (item.priority > limit || item.text.empty()) continue;
      text += (text.empty() ? "" : " | ") + item.text;
    }
    if (text.size() <= width) break;
  }
  return text.substr(0, width);
}

}  // namespace ebb::telemetry
