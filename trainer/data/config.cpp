#include "data/config.h"

namespace ebb::data {

void CacheConfig::describe(config::Section& s) {
  s.bytes("ram", ram)
      .at_least(0)
      .doc(
          "Memory for unpacked shards of a compressed dataset, taken once at the start; at least one shard "
          "is always kept. Larger than the dataset, each shard is unpacked once; much smaller, a shuffled "
          "run "
          "unpacks shards again and again.")
      .free_to_change();
}

void DataConfig::describe(config::Section& s) {
  s.text("source", source)
      .required()
      .doc("Folder of the dataset, with a subfolder a split: train and test. `ebb data pack` makes one.");
  s.choice("format", format, {{"mds", Format::mds}}).doc("How the shards are written.");
  s.integer("batch", batch)
      .at_least(1)
      .unit("samples")
      .doc(
          "Global batch: samples of one optimizer step over all ranks and micro-batches. A multiple of "
          "ranks x micro_batches. The number of ranks changes neither the mathematics nor the order.");
  s.integer("micro_batches", micro_batches)
      .at_least(1)
      .at_most(1 << 20)
      .doc("Parts that a step's batch is computed in, one after another; more of them need less memory.");
  s.flag("shuffle", shuffle)
      .doc("Draw the samples of each epoch in a new order; false reads them as stored.");
  s.integer("prefetch", prefetch)
      .at_least(1)
      .at_most(1024)
      .unit("micro-batches")
      .doc("Micro-batches that a background thread reads ahead. Each takes memory on every rank.")
      .free_to_change();
  s.section("cache", cache, "What is kept of the dataset beside the micro-batches read ahead.");
}

}  // namespace ebb::data
