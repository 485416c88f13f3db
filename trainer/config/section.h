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

// How a module describes its own configuration struct. One description is used to decode YAML (strictly), to
// write the resolved configuration, to print the JSON Schema and to explain a key:
//
//   struct OptimizerConfig {
//     OptimizerKind kind = OptimizerKind::adamw;
//     double lr = 1e-3;
//     void describe(config::Section& s) {
//       s.choice("kind", kind, {{"adamw", OptimizerKind::adamw}, {"sgd", OptimizerKind::sgd}}).doc("What
//       steps the weights."); s.number("lr", lr).above(0).doc("Peak learning rate.");
//     }
//   };
//
// The default is the value that the member holds when it is described. References must outlive the Section.
class Field {
 public:
  Field& doc(std::string_view text);
  Field& unit(std::string_view text);
  Field& at_least(double bound);
  Field& at_most(double bound);
  Field& above(double bound);
  Field& below(double bound);
  Field& required();
  // A key whose value does not change what is computed (where logs go, how deep the queue is, a timeout): a
  // resumed run may change it. Without this mark a changed key makes resuming stop with code 2.
  Field& free_to_change();

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
  // One of a fixed set of words; the member's value has to be one of them.
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
  // The same for a member that holds the word itself.
  Field choice(std::string_view key, std::string& value, const std::vector<std::string>& words) {
    std::vector<int> values(words.size());
    std::iota(values.begin(), values.end(), 0);
    return choice_of(
        key, [&value, words](int v) { value = words.at(static_cast<std::size_t>(v)); },
        [&value, words] { return static_cast<int>(std::ranges::find(words, value) - words.begin()); }, words,
        std::move(values));
  }
  // A mapping below this one. `sub` describes its own keys.
  template <class S>
  void section(std::string_view key, S& sub, std::string_view doc) {
    sub.describe(child(key, doc));
  }
  Section& child(std::string_view key, std::string_view doc);

  // Keys that mean something only where `holds()`, which `words` say: "model.kind is vae". Those that
  // `describe` adds are refused elsewhere and left out of what is resolved. `holds` is asked when every value
  // has been taken.
  void only_where(std::string_view words, const std::function<bool()>& holds,
                  const std::function<void(Section&)>& describe);

  // What several values have to be together. `keys` are their paths below this section; `wrong` says what is
  // wrong with them and what to do, or nothing. Asked when every single value has been taken; a refusal names
  // the keys and the place of the one that was given last.
  void rule(std::vector<std::string> keys, std::function<std::string()> wrong);

  // Keys of earlier versions. A file or an override that has one is refused, and the message says what to do:
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
