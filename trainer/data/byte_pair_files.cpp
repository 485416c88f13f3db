// SPDX-License-Identifier: Apache-2.0
#include "data/byte_pair_files.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace ebb::data {

namespace fs = std::filesystem;
using nlohmann::json;

void refuse_tokenizer(const fs::path& path, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{}: {}", path.string(), what));
}

std::array<std::string, 256> visible_bytes() {
  std::array<std::string, 256> all;
  unsigned next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    const unsigned c = printable ? b : next++;
    all[b] = c < 0x80 ? std::string(1, static_cast<char>(c))
                      : std::string{static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
  }
  return all;
}

std::string bytes_of_token(std::string_view token) {
  static const auto known = [] {
    std::unordered_map<std::string, char> map;
    const auto all = visible_bytes();
    for (std::size_t b = 0; b < all.size(); ++b) map[all[b]] = static_cast<char>(b);
    return map;
  }();
  std::string bytes;
  for (std::size_t i = 0; i < token.size();) {
    const auto lead = static_cast<unsigned char>(token[i]);
    const std::size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const std::string character(token.substr(i, n));
    const auto found = known.find(character);
    bytes += found != known.end() ? std::string(1, found->second) : character;
    i += n;
  }
  return bytes;
}

namespace {

json parsed(const fs::path& path) {
  const std::string text = read_file(path, ExitCode::data);
  try {
    json document = parse_json(text);
    if (!document.is_object()) refuse_tokenizer(path, "this is not a JSON object");
    return document;
  } catch (const JsonError& error) {
    refuse_tokenizer(path, fmt::format("this is not JSON: {}", error.what()));
  }
}

void read_vocabulary(const json& tokens, BytePairFiles& d) {
  if (!tokens.is_object())
    refuse_tokenizer(d.from, "the vocabulary is not a JSON object of tokens and their ids");
  for (const auto& [text, id] : tokens.items()) {
    if (!id.is_number_integer())
      refuse_tokenizer(d.from, fmt::format("the id of the token \"{}\" is not a whole number", text));
    d.vocabulary[text] = id.get<std::int64_t>();
  }
}

void add_merge(const std::string& line, BytePairFiles& d) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || space == 0 || line.find(' ', space + 1) != std::string::npos)
    refuse_tokenizer(d.from, fmt::format("merge {} is \"{}\", not two tokens with a space between them",
                                         d.merges.size(), line));
  d.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
}

std::string type_of(const json& part) {
  return part.is_object() ? part.value("type", std::string("without a type")) : std::string("without a type");
}

// ByteLevel, or Split by a regular expression and then ByteLevel.
void read_words(const json& pre, BytePairFiles& d) {
  const json parts =
      type_of(pre) == "Sequence" ? pre.value("pretokenizers", json::array()) : json::array({pre});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const json& part = parts[i];
    const std::string type = type_of(part);
    const bool last = i + 1 == parts.size();
    if (type == "ByteLevel" && last) {
      d.space_first = part.value("add_prefix_space", true);
      if (parts.size() > 1 && part.value("use_regex", true))
        refuse_tokenizer(
            d.from, "its pre-tokenizer cuts twice, by Split and by ByteLevel, which ebb does not support");
      if (parts.size() > 1 && d.space_first)
        refuse_tokenizer(d.from,
                         "its pre-tokenizer adds a space before every word (add_prefix_space after a Split), "
                         "which ebb does not support");
      if (parts.size() == 1 && !part.value("use_regex", true)) d.words = R"([\s\S]+)";
      return;
    }
    const json pattern = part.is_object() ? part.value("pattern", json()) : json();
    const bool by_regex = pattern.is_object() && pattern.contains("Regex") && pattern["Regex"].is_string();
    if (type != "Split" || last || i > 0 || !by_regex || part.value("behavior", "") != "Isolated" ||
        part.value("invert", false))
      refuse_tokenizer(
          d.from,
          fmt::format("its pre-tokenizer ({}) is not supported; ebb has ByteLevel, or Split by one regular "
                      "expression, Isolated, and then ByteLevel",
                      type));
    d.words = pattern["Regex"].get<std::string>();
  }
  refuse_tokenizer(d.from, "its pre-tokenizer does not end in ByteLevel: its tokens do not consist of bytes");
}

BytePairFiles read_json(const fs::path& path) {
  const json all = parsed(path);
  BytePairFiles d;
  d.from = path;
  const json model = all.value("model", json::object());
  if (model.value("type", std::string("BPE")) != "BPE" || !model.contains("vocab") ||
      !model.contains("merges"))
    refuse_tokenizer(d.from, fmt::format("its model is {}; ebb supports only BPE, with vocab and merges",
                                         model.value("type", std::string("without a type"))));
  if (const json normal = all.value("normalizer", json()); !normal.is_null())
    refuse_tokenizer(d.from,
                     fmt::format("it changes text by the normalizer {} first, which ebb does not support",
                                 type_of(normal)));
  read_words(all.value("pre_tokenizer", json()), d);
  d.whole_words = model.value("ignore_merges", false);
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (const json value = model.value(key, json()); !value.is_null() && value != "" && value != 0)
      refuse_tokenizer(d.from,
                       fmt::format("its model has {} {}, which ebb does not support", key, value.dump()));
  read_vocabulary(model["vocab"], d);
  for (const json& merge : model["merges"]) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      d.merges.emplace_back(merge[0], merge[1]);
    else
      add_merge(merge.is_string() ? merge.get<std::string>() : merge.dump(), d);
  }
  for (const json& token : all.value("added_tokens", json::array()))
    if (token.is_object() && token.value("content", json()).is_string() &&
        token.value("id", json()).is_number_integer()) {
      if (!token.value("special", true))
        refuse_tokenizer(d.from,
                         fmt::format("its token \"{}\" is added to the vocabulary without being special, "
                                     "which ebb does not support",
                                     token["content"].get<std::string>()));
      d.special[token["content"]] = token["id"];
    }
  return d;
}

// What tokenizer_config.json adds to the files or changes.
void read_settings_of(const fs::path& path, BytePairFiles& d) {
  const json all = parsed(path);
  for (const char* key : {"do_lower_case", "fix_mistral_regex"})
    if (all.value(key, json()) == true)
      refuse_tokenizer(path, fmt::format("{} is true, which ebb does not support", key));
  if (const json space = all.value("add_prefix_space", json());
      space.is_boolean() && space != d.space_first) {
    if (d.from.filename() == "tokenizer.json")
      refuse_tokenizer(path, fmt::format("add_prefix_space is {}, but {} in tokenizer.json: set both to one "
                                         "value",
                                         space.dump(), d.space_first));
    d.space_first = space;
  }
  const json added = all.value("added_tokens_decoder", json::object());
  for (const auto& [id, token] : added.items()) {
    const std::string name = token.at("content");
    if (!token.value("special", false))
      refuse_tokenizer(path, fmt::format("its token \"{}\" is added to the vocabulary without being special, "
                                         "which ebb does not support",
                                         name));
    std::int64_t number = -1;
    if (const auto parsed_id = std::from_chars(id.data(), id.data() + id.size(), number);
        parsed_id.ec != std::errc() || parsed_id.ptr != id.data() + id.size() || number < 0)
      refuse_tokenizer(path,
                       fmt::format("its token \"{}\" has the id {}, which is no whole number", name, id));
    const auto plain = d.vocabulary.find(name);
    const auto [known, is_new] =
        d.special.try_emplace(name, plain == d.vocabulary.end() ? number : plain->second);
    if (known->second != number)
      refuse_tokenizer(path, fmt::format("the token \"{}\" has the id {}, but {} in {}", name, id,
                                         known->second, d.from.filename().string()));
  }
}

void read_settings(const fs::path& path, BytePairFiles& d) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return;
  try {
    read_settings_of(path, d);
  } catch (const json::exception& error) {  // a value of another type than the key has
    refuse_tokenizer(path, fmt::format("its keys are not as the library writes them: {}", error.what()));
  }
}

}  // namespace

BytePairFiles read_tokenizer_json(const fs::path& path) {
  BytePairFiles d;
  try {
    d = read_json(path);
  } catch (const json::exception& error) {  // a value of another type than the key has
    refuse_tokenizer(path, fmt::format("its keys are not as the library writes them: {}", error.what()));
  }
  read_settings(path.parent_path() / "tokenizer_config.json", d);
  return d;
}

BytePairFiles read_vocabulary_and_merges(const fs::path& vocab_json, const fs::path& merges_txt) {
  BytePairFiles d;
  d.from = vocab_json;
  read_vocabulary(parsed(vocab_json), d);
  d.from = merges_txt;
  std::istringstream lines(read_file(merges_txt, ExitCode::data));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty() && !line.starts_with("#version")) add_merge(line, d);
  }
  read_settings(vocab_json.parent_path() / "tokenizer_config.json", d);
  return d;
}

}  // namespace ebb::data
