// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace ebb::cli {

// Makes the help of `app` fit `columns`. Call it before subcommands are added: they take it over.
void fit_help(CLI::App& app, int columns);

}  // namespace ebb::cli
