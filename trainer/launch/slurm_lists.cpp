// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/error.h"
#include "launch/slurm.h"

namespace ebb::launch {
namespace {

constexpr std::size_t kMostHosts = 65536;  // as many as Slurm allows
constexpr std::size_t kMostDigits = 9;
constexpr std::size_t kLongestName = 255;  // bytes of a DNS name
constexpr int kMostTasks = 1 << 20;

// A list that is read from its start. Each error shows the whole list.
class SlurmList {
 public:
  SlurmList(std::string_view variable, std::string_view text, std::string_view example)
      : variable_(variable), text_(text), example_(example) {}
  [[noreturn]] void fail() const {
    throw Error(ExitCode::usage,
                fmt::format("{} is \"{}\", which Slurm does not write: a value is such as {}", variable_,
                            text_, example_));
  }
  // Before the names are made: their number times their length may be any memory.
  void require_room(const std::vector<std::string>& begins, std::size_t bytes) const {
    const std::string& longest =
        *std::ranges::max_element(begins, {}, [](const std::string& begin) { return begin.size(); });
    if (longest.size() + bytes <= kLongestName) return;
    throw Error(
        ExitCode::usage,
        fmt::format("{} has a host name of {} bytes or more, which begins with \"{}\"; "
                    "host names have at most {}",
                    variable_, longest.size() + bytes,
                    (longest + std::string(text_.substr(at_ - bytes, bytes))).substr(0, 40), kLongestName));
  }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  bool take(std::string_view text) {
    if (!text_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  void require(std::string_view text) {
    if (!take(text)) fail();
  }
  std::string_view take_all_of(std::string_view letters) {
    const std::size_t end = std::min(text_.find_first_not_of(letters, at_), text_.size());
    const std::string_view taken = text_.substr(at_, end - at_);
    at_ = end;
    return taken;
  }
  // Decimal digits. `width` receives how many there are.
  int number(std::size_t& width) {
    const std::string_view digits = take_all_of("0123456789");
    width = digits.size();
    int value = 0;
    if (digits.empty() || digits.size() > kMostDigits) fail();
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }

 private:
  std::string_view variable_, text_, example_;
  std::size_t at_ = 0;
};

constexpr std::string_view kOfNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

// Returns each of `begins` with each number of "01-03,7]", which has as many digits as are written.
std::vector<std::string> with_numbers(SlurmList& list, const std::vector<std::string>& begins) {
  std::vector<std::string> numbers;
  do {
    std::size_t width = 0, last_width = 0;
    const int first = list.number(width);
    const int last = list.take("-") ? list.number(last_width) : first;
    list.require_room(begins, width);
    const auto count = static_cast<std::size_t>(std::int64_t{last} - first + 1);
    if (last < first || count > kMostHosts || (numbers.size() + count) * begins.size() > kMostHosts)
      list.fail();
    for (int i = first; i <= last; ++i) numbers.push_back(fmt::format("{:0{}}", i, width));
  } while (list.take(","));
  list.require("]");
  std::vector<std::string> names;
  for (const std::string& begin : begins)
    for (const std::string& number : numbers) names.push_back(begin + number);
  return names;
}

}  // namespace

std::vector<std::string> parse_slurm_hosts(std::string_view variable, std::string_view text) {
  SlurmList list(variable, text, "node[01-03,7],login");
  std::vector<std::string> hosts;
  do {
    std::vector<std::string> names{""};
    bool any = false;
    for (;;) {
      const std::string_view part = list.take_all_of(kOfNames);
      list.require_room(names, part.size());
      for (std::string& name : names) name += part;
      any = any || !part.empty();
      if (!list.take("[")) break;
      names = with_numbers(list, names);
    }
    if (!any || hosts.size() + names.size() > kMostHosts) list.fail();
    hosts.insert(hosts.end(), names.begin(), names.end());
  } while (list.take(","));
  if (!list.at_end()) list.fail();
  return hosts;
}

std::vector<int> parse_slurm_counts(std::string_view variable, std::string_view text) {
  SlurmList list(variable, text, "2(x3),1");
  std::vector<int> counts;
  std::size_t width = 0;
  do {
    const int count = list.number(width);
    int times = 1;
    if (list.take("(x")) {
      times = list.number(width);
      list.require(")");
    }
    if (count < 1 || count > kMostTasks || times < 1 ||
        counts.size() + static_cast<std::size_t>(times) > kMostHosts)
      list.fail();
    counts.insert(counts.end(), static_cast<std::size_t>(times), count);
  } while (list.take(","));
  if (!list.at_end()) list.fail();
  return counts;
}

}  // namespace ebb::launch
