// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_command.h"

#include <algorithm>

#include "base/shell.h"

namespace ebb::launch {
namespace {

// Open MPI lets hwloc open its plugins in mpirun and in every rank. These plugins look for displays and GPUs,
// and load the libraries of X11, OpenCL and Level Zero. Neither Open MPI nor ebb queries hwloc for them.
constexpr const char* kUnusedPlugins =
    "hwloc_cuda.so,hwloc_gl.so,hwloc_levelzero.so,hwloc_nvml.so,hwloc_opencl.so,hwloc_rsmi.so";

}  // namespace

MpirunCommand mpirun_command(const LaunchHost& host, const LaunchPlan& plan,
                             const std::vector<std::string>& program) {
  const bool placed = host.ranks_are_placed || !plan.hostfile.empty();
  MpirunCommand command;
  if (host.root) command.environment.assign(kRootVariables.begin(), kRootVariables.end());
  if (!host.plugin_list_is_set) command.environment.emplace_back(kPluginList, kUnusedPlugins);
  for (const auto& variable : host.starter_variables) command.environment.push_back(variable);
  for (const auto& variable : host.version_5_variables) command.environment.push_back(variable);
  command.argv = {"mpirun", "--bind-to", "none"};
  const auto add = [&command](std::initializer_list<const char*> words) {
    command.argv.insert(command.argv.end(), words.begin(), words.end());
  };
  // Open MPI 4 and 5 both accept this spelling.
  if (!placed && plan.ranks > host.slots) add({"--map-by", "slot:OVERSUBSCRIBE"});
  if (host.major < 5) {
    // Version 4 looks for ssh even if all ranks are on this host. Version 5 does not, and lacks the
    // component.
    if (!placed && !host.remote_shell) add({"--mca", "plm", "isolated"});
    if (!host.cross_memory) add({"--mca", "btl_vader_single_copy_mechanism", "none"});
  }
  if (!plan.hostfile.empty()) add({"--hostfile", plan.hostfile.c_str()});
  if (placed && std::ranges::find(plan.forward, kPluginList) == plan.forward.end()) add({"-x", kPluginList});
  for (const std::string& name : plan.forward) add({"-x", name.c_str()});
  add({"-n"});
  command.argv.push_back(std::to_string(plan.ranks));
  command.argv.insert(command.argv.end(), program.begin(), program.end());
  return command;
}

std::string shell_command(const MpirunCommand& command) {
  std::string text;
  for (const auto& [name, value] : command.environment) text += name + "=" + shell_quoted(value) + " ";
  for (const std::string& word : command.argv) text += shell_quoted(word) + " ";
  text.pop_back();
  return text;
}

}  // namespace ebb::launch
