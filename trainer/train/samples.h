// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "core/unit.h"
#include "models/model.h"
#include "train/config.h"

namespace ebb::train {

// What the model makes, into `folder`. Of images: samples.png, 64 new ones, and reconstructions.png, rows of
// test images, each above the model's image of it. Of text: samples.txt, beginnings of test windows and how
// the model goes on, cut short after a quarter of parallel.timeout. Rank 0.
void write_samples(const Config& config, core::UnitRunner& runner, models::Model& model,
                   const std::filesystem::path& folder);

}  // namespace ebb::train
