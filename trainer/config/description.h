// SPDX-License-Identifier: Apache-2.0
#pragma once
// The implementation of Section and Field. Private to config/.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/section.h"

namespace ebb::config {

enum class ValueKind {
  text,
  integer,
  number,
  flag,
  bytes,
  duration,
  bytes_or_auto,
  integer_or_auto,
  choice,
  texts
};

// std::monostate: "auto". A choice is stored as its word, a size in bytes, a duration in seconds.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

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
  std::optional<Condition> only_where;  // the key applies only if this holds
  [[nodiscard]] bool applies() const { return !only_where || only_where->holds(); }
  bool required = false;
  bool is_file_name = false;
  bool has_key_paths = false;
  bool free_to_change = false;
  bool shapes_state = false;
};

struct Section::Impl {
  // A value or a subsection. Pointers keep Field and Section& valid. Values of one key under different
  // conditions are separate entries.
  struct Entry {
    std::string key;
    std::unique_ptr<Field::Impl> field;
    std::unique_ptr<Section> section;
  };
  struct Rule {
    std::vector<std::string> keys;  // paths below this section
    std::function<std::string()> problem;
  };
  // A key of an earlier version: removed, or renamed to `new_key`.
  struct OldKey {
    std::string key, advice, new_key;
  };
  std::string doc;
  std::vector<Entry> entries;  // as described
  std::vector<OldKey> old_keys;
  std::vector<Rule> rules;
  std::optional<Field::Impl::Condition> condition;  // of the keys under description

  // False if none of its keys applies.
  [[nodiscard]] bool applies() const;
  Field add(std::string_view key, ValueKind kind, std::function<Value()> get,
            std::function<void(const Value&)> set);
  // Returns the first entry of a key, or nullptr. All entries of a key are values, or one is a section.
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;  // each once, as described

 private:
  // `is_section`: the new entry is a section.
  void check_new_key(std::string_view key, bool is_section) const;
  friend class Section;
};

// Joins "optimizer" and "lr" to "optimizer.lr". The path of the root is empty.
std::string join_path(std::string_view path, std::string_view key);

// Visits all fields of `section` and its subsections, in the order described.
void for_each_field(const Section& section,
                    const std::function<void(const std::string& path, const Field::Impl& field)>& visit,
                    std::string_view path = {});

// A path and the values of its key: several under exclusive conditions, in the order described.
using FieldsOfPath = std::pair<std::string, std::vector<const Field::Impl*>>;
std::vector<FieldsOfPath> fields_by_path(const Section& section);

// Returns when a conditional key applies: "model.kind is A or model.kind is B".
std::string conditions_of(const std::vector<const Field::Impl*>& fields);

// Visits the rules of `section` and its subsections. Their keys become paths from the root.
void for_each_rule(const Section& section, const std::function<void(const Section::Impl::Rule& rule)>& visit,
                   std::string_view path = {});

// Returns why `section` (at `path`) refuses a key that it does not have. For a key of an earlier version:
// that it was removed or renamed. Otherwise: "unknown; did you mean `optimizer.lr`?", or a list of the
// section's keys.
std::string refusal_of(const Section& root, const Section& section, std::string_view path,
                       std::string_view key);

// Returns the path that `key`, unknown in `section` at `path`, probably means; empty if none. It prefers the
// keys of the section to the same name in other sections, and that to the names of other trainers.
std::string suggested_path(const Section& root, const Section& section, std::string_view path,
                           std::string_view key);

// Returns the entry at a path such as "optimizer.lr". nullptr if it is unknown; `unknown` then receives the
// reason and a suggestion.
const Section::Impl::Entry* find_path(const Section& root, std::string_view path, std::string& unknown);

}  // namespace ebb::config
