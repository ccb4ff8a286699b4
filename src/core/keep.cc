// The copy of a refused record that the quarantine keeps.
#include <algorithm>

#include "core/json_tree.h"
#include "core/scalars.h"
#include "core/secret_rules.h"
#include "core/secret_shapes.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

/// How far behind the kept part a secret is followed that begins inside of it.
constexpr std::size_t kBeyond = std::size_t{64} * 1024;

std::size_t frame_length(std::string_view value) {
  constexpr std::size_t kFrameBytes = 5;
  return value.size() > kFrameBytes && value.front() == '\0' ? kFrameBytes : 0;
}

/// The end of a JSON string in `json` that begins with the quote at `begin`.
std::size_t string_end(std::string_view json, std::size_t begin) {
  std::size_t end = begin + 1;
  while (json[end] != '"') end += json[end] == '\\' ? 2 : 1;
  return end + 1;
}

/// A JSON document whose strings are replaced one after the other, all else byte for byte as it was.
class Rewrite {
 public:
  explicit Rewrite(std::string_view json) : json_(json) {}

  void replace(std::size_t begin, const std::optional<std::string>& text) {
    if (!text) return;
    out_.append(json_, copied_, begin - copied_);
    append_json_string(out_, *text);
    copied_ = string_end(json_, begin);
  }
  bool changed() const { return copied_ > 0; }
  std::string finish() && { return std::move(out_.append(json_, copied_)); }

 private:
  std::string_view json_;
  std::string out_;
  std::size_t copied_ = 0;
};

/// `json` with the secrets in its names and strings replaced; nothing where it does not parse.
std::optional<std::string> redact_leaves(std::string_view json, std::span<std::uint32_t> hits,
                                         bool& changed) {
  JsonTree tree;
  constexpr JsonLimits kLimits{kMaxDepth, kMaxMembers, false};
  if (json.size() > kMaxValueBytes || tree.parse(json, kLimits)) return std::nullopt;
  Rewrite rewrite(json);
  mark_secret_names(tree);
  for (const JsonNode& node : tree.nodes()) {
    rewrite.replace(node.name_at, redact(node.name, hits));
    if (!node.is(JsonNode::Kind::string)) continue;
    rewrite.replace(node.text_at, redact_member(node.named_secret, node.text, hits));
  }
  changed |= rewrite.changed();
  return std::move(rewrite).finish();
}

/// The character that an escape of JSON stands for, if it is ASCII, and the escape's length.
std::pair<char, std::size_t> unescape(std::string_view text) {
  constexpr std::string_view kLetters = "bfnrt\"\\/";
  constexpr std::string_view kMeanings = "\b\f\n\r\t\"\\/";
  if (text.size() < 2) return {text[0], 1};
  if (const std::size_t i = kLetters.find(text[1]); i != kLetters.npos) return {kMeanings[i], 2};
  if (text.size() < 6 || !text.starts_with("\\u00")) return {text[0], 1};
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t high = kDigits.find(small_letter(text[4]));
  const std::size_t low = kDigits.find(small_letter(text[5]));
  if (high > 7 || low == kDigits.npos) return {text[0], 1};
  return {static_cast<char>(high * 16 + low), 6};
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [character, length] =
        text.front() == '\\' ? unescape(text) : std::pair<char, std::size_t>{text.front(), 1};
    out += character;
    text.remove_prefix(length);
  }
  return out;
}

/// The first kMaxKeptValueBytes of `text`, redacted as if it were whole; nothing where no secret begins
/// there.
std::optional<std::string> redact_beginning(std::string_view text, std::span<std::uint32_t> hits) {
  const std::size_t limit = std::min(text.size(), kMaxKeptValueBytes);
  SecretScan scan(text);
  std::string out;
  std::size_t copied = 0;
  for (auto match = scan.next(); match && match->begin < limit; match = scan.next()) {
    out.append(text, copied, match->begin - copied).append(marker(match->rule));
    copied = match->end;
    ++hits[match->rule];
  }
  if (copied == 0) return std::nullopt;
  if (copied < limit) out.append(text, copied, limit - copied);
  return out;
}

std::string redact_raw(std::string_view value, std::span<std::uint32_t> hits, bool& changed) {
  const std::string_view seen = value.substr(0, kMaxKeptValueBytes + kBeyond);
  auto redacted = redact_beginning(unescaped(seen), hits);
  if (!redacted) redacted = redact_beginning(seen, hits);
  changed |= redacted.has_value();
  return redacted ? std::move(*redacted) : std::string(seen);
}

std::string keep_value(std::string_view value, std::span<std::uint32_t> hits, bool& changed) {
  const std::size_t frame = frame_length(value);
  std::string kept;
  if (auto leaves = redact_leaves(value.substr(frame), hits, changed)) {
    kept = std::string(value.substr(0, frame)) + *leaves;
  } else {
    kept = redact_raw(value, hits, changed);
  }
  kept.resize(cut(kept, kMaxKeptValueBytes).size());
  return kept;
}

std::string keep_text(std::string_view text, bool named_secret, std::span<std::uint32_t> hits,
                      bool& changed) {
  auto redacted = redact_member(named_secret, text, hits);
  changed |= redacted.has_value();
  return redacted ? std::move(*redacted) : std::string(text);
}

}  // namespace

KeptRecord keep(const Record& record, std::span<std::uint32_t> hits) {
  KeptRecord kept;
  if (record.key) kept.key = keep_text(*record.key, false, hits, kept.redacted);
  if (record.value) {
    kept.value = keep_value(*record.value, hits, kept.redacted);
    kept.value_length = static_cast<std::int64_t>(record.value->size());
  }
  for (const Header& header : record.headers) {
    std::optional<std::string> value;
    if (header.value) value = keep_text(*header.value, names_secret(header.name), hits, kept.redacted);
    kept.headers.emplace_back(keep_text(header.name, false, hits, kept.redacted), std::move(value));
  }
  return kept;
}

}  // namespace sealstream
