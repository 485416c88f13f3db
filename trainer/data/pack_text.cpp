#include "data/pack_text.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "data/token_file.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 20;

// Called with pieces of text in their order, and with the end of each document.
struct Sink {
  std::function<void(std::string_view)> text;
  std::function<void()> end_of_document;
};

// "text" of line `number`.
std::string text_of(const std::string& line, const fs::path& path, std::int64_t number) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("text") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_string())
    throw Error(ExitCode::data, fmt::format("{}:{}: this line is no JSON object with a string \"text\"",
                                            path.string(), number));
  return found->get<std::string>();
}

void read_lines(const fs::path& path, const Sink& sink) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(ExitCode::data,
                fmt::format("cannot read {}: is it there, and may you read it?", path.string()));
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty()) continue;
    sink.text(text_of(line, path, number));
    sink.end_of_document();
  }
  if (in.bad())
    throw Error(ExitCode::storage, fmt::format("reading {} failed at line {}", path.string(), number + 1));
}

void read_text(const fs::path& path, const Sink& sink) {
  const ReadFile file(path, ExitCode::data);
  if (file.size() == 0) throw Error(ExitCode::data, fmt::format("{} is empty", path.string()));
  std::vector<char> block(kBlock);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, kBlock));
    file.read_at(at, std::as_writable_bytes(std::span(block).first(n)));
    sink.text({block.data(), n});
    at += static_cast<std::int64_t>(n);
  }
  sink.end_of_document();
}

void read_all(const std::vector<fs::path>& inputs, const Sink& sink) {
  for (const fs::path& path : inputs)
    path.extension() == ".jsonl" ? read_lines(path, sink) : read_text(path, sink);
}

PackTextResult count(const std::vector<fs::path>& inputs) {
  PackTextResult result;
  read_all(inputs, {[&](std::string_view text) { result.tokens += std::ssize(text); },
                    [&] {
                      ++result.tokens;
                      ++result.documents;
                    }});
  return result;
}

// Lays tokens down as u16, a block at a time.
class Writer {
 public:
  explicit Writer(AtomicFile& file) : file_(file) { block_.reserve(kBlock); }
  void put(std::int32_t token) {
    block_.push_back(static_cast<std::uint16_t>(token));
    if (block_.size() == kBlock) flush();
  }
  void flush() {
    file_.append(std::as_bytes(std::span(block_)));
    tokens_ += std::ssize(block_);
    block_.clear();
  }
  [[nodiscard]] std::int64_t tokens() const { return tokens_; }

 private:
  AtomicFile& file_;
  std::vector<std::uint16_t> block_;
  std::int64_t tokens_ = 0;
};

}  // namespace

PackTextResult pack_text_bytes(const PackTextOptions& options, const Progress& progress) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(options.out, ignored)))
    throw Error(ExitCode::usage,
                fmt::format("{} is there; give another --out, or remove it", options.out.string()));
  const PackTextResult counted = count(options.inputs);
  if (counted.documents == 0)
    throw Error(ExitCode::data, "the inputs hold no document: there is nothing to pack");
  if (options.out.has_parent_path()) make_folders(options.out.parent_path());

  AtomicFile file(options.out);
  std::array<std::int32_t, kLlmcHeader> header{};
  header[0] = kLlmcMagicU16;
  header[1] = 1;
  header[2] = static_cast<std::int32_t>(static_cast<std::uint32_t>(counted.tokens));
  file.append(std::as_bytes(std::span(header)));
  Writer writer(file);
  read_all(options.inputs, {[&](std::string_view text) {
                              for (const char c : text) writer.put(static_cast<unsigned char>(c));
                              if (progress) progress(writer.tokens(), counted.tokens);
                            },
                            [&] { writer.put(kEndOfDocument); }});
  writer.flush();
  if (writer.tokens() != counted.tokens)
    throw Error(ExitCode::data,
                fmt::format("the inputs changed while they were packed: {} tokens at first, then {}",
                            counted.tokens, writer.tokens()));
  file.commit();
  if (progress) progress(counted.tokens, counted.tokens);
  return counted;
}

}  // namespace ebb::data
