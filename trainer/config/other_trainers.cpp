// SPDX-License-Identifier: Apache-2.0
#include "config/other_trainers.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ebb::config {
namespace {

// Names of transformers, Lightning, nanoGPT and configurations of GANs.
constexpr std::array<std::pair<std::string_view, std::string_view>, 42> kKeys{
    {{"batch_size", "data.batch"},
     {"global_batch_size", "data.batch"},
     {"train_batch_size", "data.batch"},
     {"gradient_accumulation", "data.micro_batches"},
     {"gradient_accumulation_steps", "data.micro_batches"},
     {"accumulate_grad_batches", "data.micro_batches"},
     {"dataset", "data.source"},
     {"data_dir", "data.source"},
     {"dataset_path", "data.source"},
     {"block_size", "data.context"},
     {"seq_len", "data.context"},
     {"seq_length", "data.context"},
     {"sequence_length", "data.context"},
     {"max_length", "data.context"},
     {"max_seq_length", "data.context"},
     {"learning_rate", "optimizer.lr"},
     {"max_grad_norm", "optimizer.clip_norm"},
     {"grad_clip", "optimizer.clip_norm"},
     {"gradient_clip_val", "optimizer.clip_norm"},
     {"num_warmup_steps", "optimizer.schedule.warmup_steps"},
     {"warmup", "optimizer.schedule.warmup_steps"},
     {"max_steps", "run.steps"},
     {"max_iters", "run.steps"},
     {"total_steps", "run.steps"},
     {"epochs", "run.steps"},
     {"num_epochs", "run.steps"},
     {"num_train_epochs", "run.steps"},
     {"output_dir", "run.dir"},
     {"out_dir", "run.dir"},
     {"eval_steps", "run.evaluate_every"},
     {"eval_interval", "run.evaluate_every"},
     {"save_steps", "checkpoint.every"},
     {"save_interval", "checkpoint.every"},
     {"mixed_precision", "precision.dtype"},
     {"torch_dtype", "precision.dtype"},
     {"n_layer", "model.layers"},
     {"num_hidden_layers", "model.layers"},
     {"n_head", "model.heads"},
     {"num_attention_heads", "model.heads"},
     {"n_embd", "model.dim"},
     {"hidden_size", "model.dim"},
     {"latent_dim", "model.latent"}}};

}  // namespace

std::string_view path_of_foreign_key(std::string_view key) {
  const auto found = std::ranges::find(kKeys, key, [](const auto& entry) { return entry.first; });
  return found == kKeys.end() ? std::string_view() : found->second;
}

}  // namespace ebb::config
