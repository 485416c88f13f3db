// SPDX-License-Identifier: Apache-2.0
#include "cli/help_formatter.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>

#include "base/terminal.h"

namespace ebb::cli {
namespace {

// CLI11 breaks no line: its own help is as wide as the longest description.
class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(int columns) : columns_(columns) {
    column_width(std::min<std::size_t>(get_column_width(), static_cast<std::size_t>(columns) / 2));
  }
  [[nodiscard]] std::string make_description(const CLI::App* app) const override {
    return wrap(Formatter::make_description(app), columns_, 0);
  }
  [[nodiscard]] std::string make_usage(const CLI::App* app, std::string name) const override {
    return wrap(Formatter::make_usage(app, std::move(name)), columns_);
  }
  [[nodiscard]] std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  [[nodiscard]] std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_display_name(true), command->get_description());
  }

 private:
  // The name, and the description in a column of its own: below the name if that is too long.
  [[nodiscard]] std::string entry(const std::string& name, const std::string& description) const {
    std::string lead = "  " + name, before;
    if (lead.size() >= get_column_width()) {
      before = wrap(lead, columns_, 4) + "\n";
      lead.clear();
    }
    if (description.empty()) return before.empty() ? lead + "\n" : before;
    lead.resize(get_column_width(), ' ');
    return before + wrap_after(lead, description, columns_) + "\n";
  }

  int columns_;
};

}  // namespace

void fit_help(CLI::App& app, int columns) {
  app.formatter(std::make_shared<HelpFormatter>(columns));
}

}  // namespace ebb::cli
