// SPDX-License-Identifier: Apache-2.0
// ebb-core with two more families and a format, those of the tests. $EBB_TEST_UNITS, a file to write,
// selects a unit runner of the tests. $EBB_TEST_OPENS, a file to write, gets a line for each opening of data.
#include <cstdlib>
#include <fstream>
#include <string>

#include "cli/core_program.h"
#include "data/counting_format.h"
#include "data/format.h"
#include "family/tiny_gan.h"
#include "models/built_in.h"
#include "models/model.h"
#include "models/runner_factory.h"
#include "support/releasing_runner.h"

namespace {

std::unique_ptr<ebb::core::UnitRunner> make_runner(ebb::models::Model& model) {
  const char* const units = std::getenv("EBB_TEST_UNITS");
  if (units == nullptr) return ebb::models::make_plain_runner(model);
  return std::make_unique<ebb::test::ReleasingRunner>(units);
}

// The line is the name of the split. All ranks append to the file.
ebb::data::Formats noting_their_opens(ebb::data::Formats formats) {
  const char* const notes = std::getenv("EBB_TEST_OPENS");
  if (notes == nullptr) return formats;
  for (ebb::data::Format& format : formats)
    format.open = [file = std::string(notes), open = format.open](const ebb::data::DataConfig& config,
                                                                  const ebb::data::SplitRequest& request) {
      std::ofstream(file, std::ios::app) << request.split + "\n";
      return open(config, request);
    };
  return formats;
}

}  // namespace

int main(int argc, char** argv) {
  ebb::models::Families families = ebb::models::built_in_families();
  families.push_back(ebb::test::tiny_gan_family());
  families.push_back(ebb::test::labelled_gan_family());
  ebb::data::Formats formats = ebb::data::builtin_formats();
  formats.push_back(ebb::data::testing::counting_format());
  formats.back().describe_keys = nullptr;  // no run reads this format
  return ebb::cli::core_program(argc, argv, {families, noting_their_opens(formats)}, make_runner);
}
