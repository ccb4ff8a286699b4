#include "core/member_mapper.h"

#include "core/scalars.h"
#include "core/secret_rules.h"

namespace sealstream {
namespace {

using Kind = JsonNode::Kind;

constexpr std::int64_t kLeastSigned = INT32_MIN;
constexpr std::int64_t kMostSigned = INT32_MAX;

std::string bytes_message(std::uint32_t bound) {
  return "Send a string of at most " + std::to_string(bound) + " bytes.";
}

/// A whole number, sent as a number or as a string.
std::optional<std::int64_t> integer_of(const JsonNode& node, std::int64_t least, std::int64_t most) {
  if (!node.is(Kind::number) && !node.is(Kind::string)) return std::nullopt;
  return parse_integer(node.text, least, most);
}

/// The members that every event of a family has, by index in members().
const std::bitset<kMostMembers>& required_members(Family family) {
  static const auto kRequired = [] {
    std::array<std::bitset<kMostMembers>, kPublishedFamilies> required;
    for (std::size_t i = 0; i < members().size(); ++i) {
      for (std::size_t f = 0; f < required.size(); ++f) {
        const Member& member = members()[i];
        required[f][i] = member.required && (member.families & bit(static_cast<Family>(f))) != 0;
      }
    }
    return required;
  }();
  return kRequired[static_cast<std::size_t>(family)];
}

/// How many children an array has, counted no further than `most` + 1.
std::uint32_t count_items(const JsonTree& tree, const JsonNode& array, std::uint32_t most) {
  std::uint32_t count = 0;
  for ([[maybe_unused]] const JsonNode& item : tree.children(array)) {
    if (++count > most) break;
  }
  return count;
}

/// [from, to], both numbers.
bool is_range(const JsonTree& tree, const JsonNode& pair) {
  if (!pair.is(Kind::array) || count_items(tree, pair, 2) != 2) return false;
  std::int64_t last = 0;
  for (const JsonNode& end : tree.children(pair)) {
    const auto value = end.is(Kind::number) ? parse_integer(end.text, last, kMaxInteger) : std::nullopt;
    if (!value) return false;
    last = *value;
  }
  return true;
}

}  // namespace

std::optional<Refusal> MemberMapper::map(Family family, std::string_view action, const JsonNode& data,
                                         JsonObject& detail, JsonObject& personal) {
  if (!data.is(Kind::object)) return schema(data, "Send data as a JSON object.");
  if (auto fault = object(MemberLevel::of(family), data, detail, personal)) return fault;
  return required(family, action);
}

std::optional<Refusal> MemberMapper::object(const MemberLevel& level, const JsonNode& node,
                                            JsonObject& detail, JsonObject& personal) {
  for (const JsonNode& child : tree_.children(node)) {
    if (child.is(Kind::null)) continue;
    const MemberLevel::Entry* entry = level.find(child.name);
    if (entry == nullptr) {
      if (auto fault = unknown(child, personal)) return fault;
    } else if (!entry->below) {
      present_.set(entry->member);
      if (auto fault = member(members()[entry->member], child, detail, personal)) return fault;
    } else {
      if (!child.is(Kind::object)) return schema(child, "Send a JSON object.");
      JsonObject inner_detail;
      JsonObject inner_personal;
      if (auto fault = object(*entry->below, child, inner_detail, inner_personal)) return fault;
      if (!inner_detail.empty()) std::move(inner_detail).append_text(detail.add(child.name));
      if (!inner_personal.empty()) std::move(inner_personal).append_text(personal.add(child.name));
    }
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::member(const Member& member, const JsonNode& node, JsonObject& detail,
                                            JsonObject& personal) {
  switch (member.kind) {
    case MemberKind::text:
    case MemberKind::cut_text:
    case MemberKind::path:
    case MemberKind::origin:
      return text(member, node, detail, personal);
    case MemberKind::choice:
      return choice(member, node, detail);
    case MemberKind::integer:
    case MemberKind::signed_integer:
      return integer(member, node, detail);
    case MemberKind::money:
      return money(member, node);
    case MemberKind::boolean:
      return boolean(member, node, detail);
    case MemberKind::time:
      return time(node, detail);
    case MemberKind::address:
      return address(member, node, personal);
    case MemberKind::key_hash:
      return key_hash(member, node);
    case MemberKind::text_or_integer:
      return node.is(Kind::number) ? integer(member, node, detail) : text(member, node, detail, personal);
    case MemberKind::text_or_boolean:
      return node.is(Kind::boolean) ? boolean(member, node, detail) : text(member, node, detail, personal);
    case MemberKind::texts:
      return texts(member, node, detail, personal);
    case MemberKind::ranges:
      return ranges(member, node, detail);
    case MemberKind::record:
      return json_record(member, node, personal);
    case MemberKind::records:
      return json_records(member, node, personal);
    case MemberKind::object:
    case MemberKind::any:
      return json_value(member, node, personal);
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::unknown(const JsonNode& node, JsonObject& personal) {
  return text_form(node, personal.add(node.name));
}

std::optional<Refusal> MemberMapper::text(const Member& member, const JsonNode& node, JsonObject& detail,
                                          JsonObject& personal) {
  if (!node.is(Kind::string)) {
    return schema(node, member.kind == MemberKind::text_or_integer   ? "Send a string or a whole number."
                        : member.kind == MemberKind::text_or_boolean ? "Send a string, true or false."
                                                                     : "Send a string.");
  }
  if (member.kind == MemberKind::path) {
    const std::string_view path = without_query(node.text);
    return bounded(member, node, path, path.size(), detail, personal);
  }
  if (member.kind == MemberKind::origin) {
    const std::string origin = origin_of(node.text);
    return bounded(member, node, origin, origin.size(), detail, personal);
  }
  return bounded(member, node, node.text, node.length, detail, personal);
}

/// `length` is that of the text as sent: a marker may be longer than the secret it stands for.
std::optional<Refusal> MemberMapper::bounded(const Member& member, const JsonNode& node,
                                             std::string_view sent, std::size_t length, JsonObject& detail,
                                             JsonObject& personal) {
  if (length > member.bound && member.kind != MemberKind::cut_text) {
    return schema(node, bytes_message(member.bound));
  }
  store(member, node, cut(sent, member.bound), detail, personal);
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::choice(const Member& member, const JsonNode& node, JsonObject& detail) {
  if (!node.is(Kind::string) || !is_one_of(node.text, member.names)) {
    return schema(node, "Send one of these words: " + std::string(member.names) + ".");
  }
  store(member, node, node.text, detail, detail);
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::integer(const Member& member, const JsonNode& node, JsonObject& detail) {
  const bool is_signed = member.kind == MemberKind::signed_integer;
  const std::int64_t least = is_signed ? kLeastSigned : 0;
  const std::int64_t most = is_signed ? kMostSigned : kMaxInteger;
  const auto value = integer_of(node, least, most);
  if (!value) {
    return schema(node,
                  "Send a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ".");
  }
  if (member.place == Place::column) {
    row_.set_int(member.column, *value);
  } else {
    detail.set(node.name, std::to_string(*value));
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::money(const Member& member, const JsonNode& node) {
  std::optional<std::string> amount;
  if (node.is(Kind::number) || node.is(Kind::string)) amount = money_text(node.text);
  if (!amount) return schema(node, "Send a decimal number from 0 to 1000000.");
  row_.set_decimal(member.column, *amount);
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::boolean(const Member& member, const JsonNode& node, JsonObject& detail) {
  if (!node.is(Kind::boolean)) return schema(node, "Send true or false.");
  if (member.place == Place::column) {
    row_.set_bool(member.column, node.text == "true");
  } else {
    detail.set(node.name, node.text);
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::time(const JsonNode& node, JsonObject& detail) {
  if (!node.is(Kind::string) || !parse_time(node.text)) {
    return schema(node, "Send an RFC 3339 time with zone, for example 2026-01-31T08:00:00Z.");
  }
  detail.set_string(node.name, node.text);
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::address(const Member& member, const JsonNode& node,
                                             JsonObject& personal) {
  if (!node.is(Kind::string)) return schema(node, "Send a string.");
  if (const auto network = parse_address(node.text)) {
    row_.set_ip(member.column, *network);
  } else {
    personal.set_string(node.name, node.text);
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::key_hash(const Member& member, const JsonNode& node) {
  constexpr std::size_t kDigits = 64;
  if (!node.is(Kind::string)) return schema(node, "Send a string of 64 small hexadecimal digits.");
  const bool is_hash =
      node.text.size() == kDigits && node.text.find_first_not_of("0123456789abcdef") == node.text.npos;
  if (!is_hash) ++hits_[raw_key_rule()];
  row_.set_text(member.column, is_hash ? node.text : marker(raw_key_rule()));
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::array_of(const JsonNode& node, std::uint32_t bound,
                                              std::string_view items) const {
  if (node.is(Kind::array) && count_items(tree_, node, bound) <= bound) return std::nullopt;
  return schema(node, "Send an array of at most " + std::to_string(bound) + " " + std::string(items) + ".");
}

std::optional<Refusal> MemberMapper::texts(const Member& member, const JsonNode& node, JsonObject& detail,
                                           JsonObject& personal) {
  if (auto fault = array_of(node, member.bound, "strings")) return fault;
  for (const JsonNode& item : tree_.children(node)) {
    if (!item.is(Kind::string) || item.length > kDefaultBound)
      return schema(item, bytes_message(kDefaultBound));
  }
  return text_form(node, (member.place == Place::detail ? detail : personal).add(node.name));
}

std::optional<Refusal> MemberMapper::ranges(const Member& member, const JsonNode& node, JsonObject& detail) {
  if (auto fault = array_of(node, member.bound, "pairs [from, to]")) return fault;
  for (const JsonNode& pair : tree_.children(node)) {
    if (!is_range(tree_, pair))
      return schema(pair, "Send a pair of whole numbers [from, to], from no more than to.");
  }
  return text_form(node, detail.add(node.name));
}

/// Splits an object into the string members that the table names and the others.
std::optional<Refusal> MemberMapper::record(const Member& member, const JsonNode& node, JsonObject& known,
                                            JsonObject& unknown) {
  if (!node.is(Kind::object)) {
    return schema(node, "Send a JSON object with these members: " + std::string(member.names) + ".");
  }
  for (const JsonNode& child : tree_.children(node)) {
    if (child.is(Kind::null)) continue;
    if (!is_one_of(child.name, member.names)) {
      if (auto fault = this->unknown(child, unknown)) return fault;
      continue;
    }
    if (!child.is(Kind::string) || child.length > kDefaultBound)
      return schema(child, bytes_message(kDefaultBound));
    known.set_string(child.name, cut(child.text, kDefaultBound));
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::json_record(const Member& member, const JsonNode& node,
                                                 JsonObject& personal) {
  JsonObject known;
  JsonObject unknown;
  if (auto fault = record(member, node, known, unknown)) return fault;
  if (!known.empty()) row_.set_json(member.column, std::move(known).text());
  if (!unknown.empty()) std::move(unknown).append_text(personal.add(node.name));
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::json_records(const Member& member, const JsonNode& node,
                                                  JsonObject& personal) {
  if (auto fault = array_of(node, member.bound, "objects")) return fault;
  std::string items = "[";
  JsonObject unknown_items;
  std::size_t index = 0;
  for (const JsonNode& item : tree_.children(node)) {
    JsonObject known;
    JsonObject unknown;
    if (auto fault = record(member, item, known, unknown)) return fault;
    if (index > 0) items += ", ";
    std::move(known).append_text(items);
    if (!unknown.empty()) std::move(unknown).append_text(unknown_items.add(std::to_string(index)));
    ++index;
  }
  row_.set_json(member.column, items += "]");
  if (!unknown_items.empty()) std::move(unknown_items).append_text(personal.add(node.name));
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::json_value(const Member& member, const JsonNode& node,
                                                JsonObject& personal) {
  if (member.kind == MemberKind::object && !node.is(Kind::object)) return schema(node, "Send a JSON object.");
  if (node.is(Kind::object) && tree_.children(node).begin() == tree_.children(node).end())
    return std::nullopt;
  std::string text;
  if (auto fault = text_form(node, text)) return fault;
  if (text.size() > member.bound) {
    return schema(node, "Send at most " + std::to_string(member.bound) + " bytes of JSON.");
  }
  personal.set(node.name, text);
  return std::nullopt;
}

void MemberMapper::store(const Member& member, const JsonNode& node, std::string_view text,
                         JsonObject& detail, JsonObject& personal) {
  switch (member.place) {
    case Place::column:
      row_.set_text(member.column, text);
      break;
    case Place::detail:
      detail.set_string(node.name, text);
      break;
    case Place::personal_detail:
      personal.set_string(node.name, text);
      break;
  }
}

std::optional<Refusal> MemberMapper::required(Family family, std::string_view action) const {
  const auto is_missing = [this](std::size_t member) { return !present_.test(member); };
  const auto absent = required_members(family) & ~present_;
  for (std::size_t i = 0; absent.any(); ++i) {
    if (absent.test(i)) return missing(members()[i].path, name(family));
  }
  static const std::size_t kActorId = member_index("actor.id");
  static const std::size_t kInput = member_index("usage.input_tokens");
  static const std::size_t kOutput = member_index("usage.output_tokens");
  static const std::size_t kTotal = member_index("usage.total_tokens");
  static const std::size_t kKeyId = member_index("key.key_id");
  if (row_.bytes(Column::actor_type) != "anonymous" && is_missing(kActorId)) {
    return Refusal{Reason::schema, "data.actor.id", "Send the actor's id: only anonymous actors have none."};
  }
  if (family == Family::llm_call && row_.bytes(Column::status) == "success") {
    if (is_missing(kInput)) return missing("usage.input_tokens", "successful llm_call");
    if (is_missing(kTotal)) return missing("usage.total_tokens", "successful llm_call");
    const bool makes_text = !is_one_of(row_.bytes(Column::operation), "embeddings image audio rerank");
    if (makes_text && is_missing(kOutput)) return missing("usage.output_tokens", "successful llm_call");
  }
  if (family == Family::api_key && action != "auth_failed" && is_missing(kKeyId)) {
    return missing("key.key_id", name(family));
  }
  return std::nullopt;
}

std::optional<Refusal> MemberMapper::missing(std::string_view path, std::string_view family) const {
  const std::string full = join_path("data", path);
  return Refusal{Reason::schema, full, "Send " + full + ": " + std::string(family) + " events need it."};
}

Refusal MemberMapper::schema(const JsonNode& node, std::string message) const {
  return {Reason::schema, join_path(root_, tree_.path(node)), std::move(message)};
}

std::optional<Refusal> MemberMapper::text_form(const JsonNode& node, std::string& out) const {
  const JsonNode* fault = append_text_form(out, tree_, node);
  if (fault == nullptr) return std::nullopt;
  return schema(*fault, "Send a number that takes at most " + std::to_string(kMaxNumberCharacters) +
                            " characters without an exponent.");
}

}  // namespace sealstream
