// SPDX-License-Identifier: Apache-2.0
#include "telemetry/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/terminal.h"
#include "base/units.h"

namespace ebb::telemetry {
namespace {

constexpr std::chrono::milliseconds kRenewed{100}, kPlain{3000};

std::string amount(std::int64_t n, const std::string& unit) {
  return unit == "bytes" ? format_bytes(n) : fmt::format("{}", n);
}

}  // namespace

ProgressLine::ProgressLine(std::string what, std::string unit)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      in_place_(screen_of(STDERR_FILENO) == Screen::full),
      start_(Clock::now()),
      next_(start_ + (in_place_ ? Clock::duration(0) : kPlain)) {}

void ProgressLine::show(std::int64_t done, std::int64_t total) {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + (in_place_ ? kRenewed : kPlain);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::string text = fmt::format("{} {} of {}{}", what_, amount(done, unit_), amount(total, unit_),
                                 unit_ == "bytes" ? "" : " " + unit_);
  if (total > 0)
    text += fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(done) / static_cast<double>(total));
  if (done > 0 && done < total && seconds > 1) {
    text += fmt::format(", {} left", format_duration(seconds / static_cast<double>(done) *
                                                     static_cast<double>(total - done)));
  }
  // \033[K erases the rest of a longer previous line.
  if (in_place_) text = text.substr(0, static_cast<std::size_t>(columns_of(STDERR_FILENO)) - 1);
  std::fputs(in_place_ ? ("\r" + text + "\033[K").c_str() : (text + "\n").c_str(), stderr);
  std::fflush(stderr);
  open_ = in_place_;
}

void ProgressLine::done() {
  if (open_) std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  open_ = false;
}

}  // namespace ebb::telemetry
