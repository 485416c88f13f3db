// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/config.h"

namespace ebb::checkpoint {

void CheckpointConfig::describe(config::Section& s) {
  s.integer("every", every)
      .at_least(0)
      .unit("steps")
      .doc("Steps between two checkpoints. 0: only at the end and when the run is stopped.")
      .free_to_change();
  s.integer("keep", keep)
      .at_least(1)
      .doc("How many complete checkpoints stay on disk; older ones are deleted once a new one is complete.")
      .free_to_change();
  s.choice("resume", resume,
           {{"auto", Resume::automatic}, {"never", Resume::never}, {"force", Resume::force}})
      .doc(
          "auto: resume from the newest complete checkpoint if the configuration is mathematically the same, "
          "but for the keys of checkpoint.allow. never: start again, in a folder without checkpoints. force: "
          "resume although the configuration differs.")
      .free_to_change();
  s.texts("allow", allow)
      .key_paths()
      .doc(
          "Keys and sections that a resumed run may change, such as [run.steps, optimizer.lr]. run.steps may "
          "always grow if the learning rate's schedule is constant or has samples.")
      .free_to_change();
}

}  // namespace ebb::checkpoint
