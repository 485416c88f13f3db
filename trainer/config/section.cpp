// SPDX-License-Identifier: Apache-2.0
#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "config/description.h"

namespace ebb::config {

Field& Field::doc(std::string_view text) {
  impl_->doc = text;
  return *this;
}
Field& Field::unit(std::string_view text) {
  impl_->unit = text;
  return *this;
}
Field& Field::at_least(double bound) {
  impl_->at_least = bound;
  return *this;
}
Field& Field::at_most(double bound) {
  impl_->at_most = bound;
  return *this;
}
Field& Field::above(double bound) {
  impl_->above = bound;
  return *this;
}
Field& Field::below(double bound) {
  impl_->below = bound;
  return *this;
}
Field& Field::file_name() {
  impl_->is_file_name = true;
  return *this;
}
Field& Field::key_paths() {
  impl_->has_key_paths = true;
  return *this;
}
Field& Field::required() {
  if (impl_->only_where)
    throw Error(ExitCode::internal, fmt::format("the conditional key `{}` needs a default", impl_->key));
  impl_->required = true;
  return *this;
}
Field& Field::free_to_change() {
  impl_->free_to_change = true;
  return *this;
}
Field& Field::shapes_state() {
  impl_->shapes_state = true;
  return *this;
}

Section::Section() : impl_(std::make_unique<Impl>()) {}
Section::~Section() = default;
Section::Section(Section&&) noexcept = default;

void Section::rule(std::vector<std::string> keys, std::function<std::string()> problem) {
  if (impl_->condition)
    problem = [holds = impl_->condition->holds, problem = std::move(problem)] {
      return holds() ? problem() : std::string();
    };
  impl_->rules.push_back({std::move(keys), std::move(problem)});
}

void Section::removed(std::string_view key, std::string_view advice) {
  impl_->old_keys.push_back({std::string(key), std::string(advice), {}});
}

void Section::renamed(std::string_view key, std::string_view new_key) {
  if (impl_->find(new_key) == nullptr)
    throw Error(ExitCode::internal, fmt::format("`{}` is renamed to `{}`, which is not a key", key, new_key));
  impl_->old_keys.push_back({std::string(key), {}, std::string(new_key)});
}

void Section::only_where(std::string_view words, const std::function<bool()>& holds,
                         const std::function<void(Section&)>& describe) {
  const auto outer = impl_->condition;
  Field::Impl::Condition both{std::string(words), holds};
  if (outer) {
    both.words = fmt::format("{} and {}", outer->words, words);
    both.holds = [outer = outer->holds, holds] { return outer() && holds(); };
  }
  impl_->condition = std::move(both);
  describe(*this);
  impl_->condition = outer;
}

bool Section::Impl::applies() const {
  return std::ranges::any_of(entries, [](const Entry& entry) {
    return entry.field ? entry.field->applies() : entry.section->impl().applies();
  });
}

void Section::Impl::check_new_key(std::string_view key, bool is_section) const {
  // A dot would make paths ambiguous.
  if (key.empty() || key.find('.') != std::string_view::npos) {
    throw Error(ExitCode::internal, fmt::format("`{}` cannot be the name of a configuration key", key));
  }
  for (const Entry& entry : entries) {
    if (entry.key != key) continue;
    if (is_section != (entry.section != nullptr))
      throw Error(ExitCode::internal,
                  fmt::format("the configuration key `{}` is described as a value and as a section", key));
    const auto& other = is_section ? entry.section->impl().condition : entry.field->only_where;
    if (!condition || !other || condition->words == other->words)
      throw Error(ExitCode::internal, fmt::format("the configuration key `{}` is described twice", key));
  }
}

Field Section::Impl::add(std::string_view key, ValueKind kind, std::function<Value()> get,
                         std::function<void(const Value&)> set) {
  check_new_key(key, false);
  Entry& entry = entries.emplace_back(Entry{std::string(key), std::make_unique<Field::Impl>(), nullptr});
  entry.field->key = key;
  entry.field->kind = kind;
  entry.field->initial = get();
  entry.field->get = std::move(get);
  entry.field->set = std::move(set);
  entry.field->only_where = condition;
  return Field(entry.field.get());
}

const Section::Impl::Entry* Section::Impl::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

std::vector<std::string> Section::Impl::keys() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries)
    if (std::ranges::find(names, entry.key) == names.end()) names.push_back(entry.key);
  return names;
}

namespace {

template <class T>
Field add_plain(Section::Impl& section, std::string_view key, ValueKind kind, T& member) {
  return section.add(
      key, kind, [&member] { return Value(member); },
      [&member](const Value& value) { member = std::get<T>(value); });
}

Field add_optional(Section::Impl& section, std::string_view key, ValueKind kind,
                   std::optional<std::int64_t>& member) {
  return section.add(
      key, kind, [&member] { return member ? Value(*member) : Value(std::monostate()); },
      [&member](const Value& value) {
        const auto* given = std::get_if<std::int64_t>(&value);
        member = given != nullptr ? std::optional<std::int64_t>(*given) : std::nullopt;
      });
}

}  // namespace

Field Section::text(std::string_view key, std::string& value) {
  return add_plain(*impl_, key, ValueKind::text, value);
}
Field Section::integer(std::string_view key, std::int64_t& value) {
  return add_plain(*impl_, key, ValueKind::integer, value);
}
Field Section::number(std::string_view key, double& value) {
  return add_plain(*impl_, key, ValueKind::number, value);
}
Field Section::flag(std::string_view key, bool& value) {
  return add_plain(*impl_, key, ValueKind::flag, value);
}
Field Section::bytes(std::string_view key, std::int64_t& value) {
  return add_plain(*impl_, key, ValueKind::bytes, value);
}
Field Section::duration(std::string_view key, double& seconds) {
  return add_plain(*impl_, key, ValueKind::duration, seconds);
}
Field Section::bytes_or_auto(std::string_view key, std::optional<std::int64_t>& value) {
  return add_optional(*impl_, key, ValueKind::bytes_or_auto, value);
}
Field Section::integer_or_auto(std::string_view key, std::optional<std::int64_t>& value) {
  return add_optional(*impl_, key, ValueKind::integer_or_auto, value);
}

Field Section::texts(std::string_view key, std::vector<std::string>& value) {
  return add_plain(*impl_, key, ValueKind::texts, value);
}

Field Section::choice_of(std::string_view key, std::function<void(int)> set, std::function<int()> get,
                         std::vector<std::string> names, std::vector<int> values) {
  const auto word_of = [get = std::move(get), names, values, key = std::string(key)] {
    const auto found = std::ranges::find(values, get());
    if (found == values.end()) {
      throw Error(ExitCode::internal, fmt::format("the value of `{}` has no word in its description", key));
    }
    return Value(names[static_cast<std::size_t>(found - values.begin())]);
  };
  const auto set_word = [set = std::move(set), names, values](const Value& value) {
    const auto found = std::ranges::find(names, std::get<std::string>(value));
    set(values[static_cast<std::size_t>(found - names.begin())]);
  };
  Field field = impl_->add(key, ValueKind::choice, word_of, set_word);
  impl_->entries.back().field->words = std::move(names);
  return field;
}

Section& Section::child(std::string_view key, std::string_view doc) {
  impl_->check_new_key(key, true);
  auto entry = std::ranges::find(impl_->entries, key, &Impl::Entry::key);
  if (entry == impl_->entries.end()) {
    impl_->entries.push_back({std::string(key), nullptr, std::make_unique<Section>()});
    entry = std::prev(impl_->entries.end());
    entry->section->impl().doc = doc;
  }
  entry->section->impl().condition = impl_->condition;
  return *entry->section;
}

}  // namespace ebb::config
