// SPDX-License-Identifier: Apache-2.0
// ebb-core with two families more: those of the tests.
#include "cli/core_program.h"
#include "family/tiny_gan.h"
#include "models/built_in.h"

int main(int argc, char** argv) {
  ebb::models::Families families = ebb::models::built_in_families();
  families.push_back(ebb::test::tiny_gan_family());
  families.push_back(ebb::test::labelled_gan_family());
  return ebb::cli::core_program(argc, argv, families);
}
