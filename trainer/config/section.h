// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ebb::config {

// A module describes its configuration struct once. The description decodes YAML strictly, writes the
// resolved configuration, prints the JSON Schema and explains keys:
//
//   struct ScheduleConfig {
//     ScheduleKind kind = ScheduleKind::cosine;
//     std::int64_t warmup_steps = 100;
//     void describe(config::Section& s) {
//       s.choice("kind", kind, {{"constant", ScheduleKind::constant}, {"cosine", ScheduleKind::cosine}})
//           .doc("Curve of the learning rate after the warm-up.");
//       s.integer("warmup_steps", warmup_steps).at_least(0).doc("Steps of the warm-up.");
//     }
//   };
//
// The default is the member's value when it is described. The members must outlive the Section.
class Field {
 public:
  Field& doc(std::string_view text);
  Field& unit(std::string_view text);
  Field& at_least(double bound);
  Field& at_most(double bound);
  Field& above(double bound);
  Field& below(double bound);
  Field& file_name();  // of a text: neither empty, `.`, `..`, with a `/`, nor above 200 bytes
  Field& key_paths();  // of texts: each names a key or a section of this configuration
  Field& required();   // has no default; refused under a condition
  // The value changes training at most by rounding: a log folder, a queue's depth, a number of threads. A
  // resumed run may change it. If any other key changes, a resumed run ends with code 2.
  Field& free_to_change();
  // Shapes, dtypes or meaning of the tensors in a checkpoint depend on the value: none fits another one.
  Field& shapes_state();

  struct Impl;
  explicit Field(Impl* impl) : impl_(impl) {}

 private:
  Impl* impl_;
};

class Section {
 public:
  Section();
  ~Section();
  Section(Section&&) noexcept;
  Section& operator=(Section&&) = delete;

  Field text(std::string_view key, std::string& value);
  Field integer(std::string_view key, std::int64_t& value);
  Field number(std::string_view key, double& value);
  Field flag(std::string_view key, bool& value);
  Field bytes(std::string_view key, std::int64_t& value);                         // "25MiB"
  Field duration(std::string_view key, double& seconds);                          // "300s"
  Field bytes_or_auto(std::string_view key, std::optional<std::int64_t>& value);  // "auto" is nullopt
  Field integer_or_auto(std::string_view key, std::optional<std::int64_t>& value);
  Field texts(std::string_view key, std::vector<std::string>& value);  // [a, b]
  // One of a fixed set of words. The member's value must be one of them.
  template <class E>
  Field choice(std::string_view key, E& value, std::vector<std::pair<std::string, E>> words) {
    std::vector<std::string> names;
    std::vector<int> values;
    for (auto& [name, v] : words) {
      names.push_back(name);
      values.push_back(static_cast<int>(v));
    }
    return choice_of(
        key, [&value](int v) { value = static_cast<E>(v); }, [&value] { return static_cast<int>(value); },
        std::move(names), std::move(values));
  }
  // The same for a member that contains the word.
  Field choice(std::string_view key, std::string& value, const std::vector<std::string>& words) {
    std::vector<int> values(words.size());
    std::iota(values.begin(), values.end(), 0);
    return choice_of(
        key, [&value, words](int v) { value = words.at(static_cast<std::size_t>(v)); },
        [&value, words] { return static_cast<int>(std::ranges::find(words, value) - words.begin()); }, words,
        std::move(values));
  }
  // A subsection. `sub` describes its keys.
  template <class S>
  void section(std::string_view key, S& sub, std::string_view doc) {
    sub.describe(child(key, doc));
  }
  Section& child(std::string_view key, std::string_view doc);

  // `describe` adds keys that apply only if `holds()`; `words` is the condition as text, such as "model.kind
  // is NAME". If it does not hold, a file with such a key is refused, and the resolved configuration omits
  // the keys. `holds` is called after all values are set.
  //
  // Several exclusive conditions may describe the same key, each with a separate member, bounds and default.
  // A subsection that several conditions describe has the keys of all of them.
  void only_where(std::string_view words, const std::function<bool()>& holds,
                  const std::function<void(Section&)>& describe);

  // A rule between several values. `keys` are their paths below this section. `problem` is called after all
  // values are set; inside of only_where(), only where that holds. It returns the fault and its remedy, or an
  // empty text. The error names the keys, and the place of the last of them that is given.
  void rule(std::vector<std::string> keys, std::function<std::string()> problem);

  // Keys of earlier versions. A file or an override with such a key is refused. The message has the remedy:
  // `advice`, such as "leave it out", or the new name of the key in this section.
  void removed(std::string_view key, std::string_view advice);
  void renamed(std::string_view key, std::string_view new_key);

  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  Field choice_of(std::string_view key, std::function<void(int)> set, std::function<int()> get,
                  std::vector<std::string> names, std::vector<int> values);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::config
