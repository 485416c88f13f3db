// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "core/unit.h"
#include "models/model.h"
#include "train/config.h"

namespace ebb::train {

// Writes the files of the family's FamilyTexts::sample_files into `folder`; the model chooses what it needs
// of the test split. After a quarter of parallel.timeout the writing of texts ends with those it has. Rank 0.
void write_samples(const Config& config, core::UnitRunner& runner, models::Model& model,
                   const std::filesystem::path& folder);

// Does what write_samples() does, and deletes the files at once. A text has one new token. A fault of later
// samples shows before the first step. Rank 0.
void try_samples(const Config& config, core::UnitRunner& runner, models::Model& model,
                 const std::filesystem::path& folder);

}  // namespace ebb::train
