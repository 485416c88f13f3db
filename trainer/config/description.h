#pragma once
// What Section and Field hold. Only the files of config/ include this.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/section.h"

namespace ebb::config {

enum class ValueKind { text, integer, number, flag, bytes, duration, bytes_or_auto, integer_or_auto, choice };

// std::monostate is "auto". A choice is its word, a size its bytes, a duration its seconds.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

struct Field::Impl {
  std::string key;
  ValueKind kind = ValueKind::text;
  std::function<Value()> get;
  std::function<void(const Value&)> set;
  Value initial;  // the default
  std::vector<std::string> words;
  std::string doc, unit;
  std::optional<double> at_least, at_most, above, below;
  struct Condition {
    std::string words;
    std::function<bool()> holds;
  };
  std::optional<Condition> only_where;  // else the key means nothing
  [[nodiscard]] bool counts() const { return !only_where || only_where->holds(); }
  bool required = false;
  bool free_to_change = false;
};

struct Section::Impl {
  // Either a value or a section below; behind pointers, since Field and Section& have to stay valid.
  struct Entry {
    std::string key;
    std::unique_ptr<Field::Impl> field;
    std::unique_ptr<Section> section;
  };
  struct Rule {
    std::vector<std::string> keys;  // paths below this section
    std::function<std::string()> wrong;
  };
  // A key of an earlier version: removed, or renamed to `new_key`.
  struct OldKey {
    std::string key, advice, new_key;
  };
  std::string doc;
  std::vector<Entry> entries;  // as described
  std::vector<OldKey> old_keys;
  std::vector<Rule> rules;
  std::optional<Field::Impl::Condition> condition;  // of what is being described

  // False where none of its keys counts.
  [[nodiscard]] bool counts() const;
  Field add(std::string_view key, ValueKind kind, std::function<Value()> get,
            std::function<void(const Value&)> set);
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;

 private:
  Entry& new_entry(std::string_view key);
  friend class Section;
};

// "optimizer" and "lr" -> "optimizer.lr"; the root has an empty path.
std::string join_path(std::string_view path, std::string_view key);

// All fields below `section`, in the order described.
void for_each_field(const Section& section,
                    const std::function<void(const std::string& path, const Field::Impl& field)>& visit,
                    std::string_view path = {});

// The rules of `section` and of all below it; their keys are then paths from the root.
void for_each_rule(const Section& section, const std::function<void(const Section::Impl::Rule& rule)>& visit,
                   std::string_view path = {});

// Why a key that is not in `section` (whose path is `path`) is refused. For a key of an earlier version: what
// became of it. Else "unknown; did you mean `optimizer.lr`?", from the keys of the section first and then
// from the same name anywhere, or a list of the section's keys.
std::string refusal_of(const Section& root, const Section& section, std::string_view path,
                       std::string_view key);

// The entry at "optimizer.lr", or none and in `unknown` why not, with what was probably meant.
const Section::Impl::Entry* find_path(const Section& root, std::string_view path, std::string& unknown);

}  // namespace ebb::config
