// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>

// Needs no LibTorch: `main` names a factory and passes it down, as it does the families.
namespace ebb::core {
class UnitRunner;
}

namespace ebb::models {

class Model;

// Makes the runner of all units of a model, in training, evaluation and sampling. The model outlives the
// runner. In training the parameters have no values yet at the call.
using RunnerFactory = std::function<std::unique_ptr<core::UnitRunner>(Model&)>;

// A core::PlainRunner, for any model.
std::unique_ptr<core::UnitRunner> make_plain_runner(Model&);

}  // namespace ebb::models
