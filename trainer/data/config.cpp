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
      .doc(
          "Folder of the dataset. Of images: with a subfolder a split, train and test. Of tokens: with "
          "train.bin and test.bin, or subfolders train and test of such files. `ebb data pack` makes both.");
  s.choice("format", format, {{"mds", Format::mds}, {"tokens", Format::tokens}, {"raw_u16", Format::raw_u16}})
      .doc(
          "What the dataset is written as. mds: images in MDS shards. tokens: token files of llm.c or "
          "Megatron. raw_u16: tokens of two bytes without any header (nanoGPT).");
  s.only_where(
      "data.format is tokens or raw_u16", [this] { return is_text(); },
      [this](config::Section& text) {
        text.integer("context", context)
            .at_least(1)
            .at_most(1 << 24)
            .unit("tokens")
            .doc("Tokens of a window, the sample that a model of text is trained on.");
        text.text("tokenizer", tokenizer)
            .doc(
                "What made the tokens, so that samples can be shown as text: what `ebb data pack "
                "--tokenizer` "
                "was given. bytes, a sentencepiece model FILE.model, or a folder with tokenizer.json or with "
                "vocab.json and merges.txt. none: tokens are shown as numbers.")
            .free_to_change();
      });
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
