#include "core/cloudevents.h"

#include <algorithm>
#include <array>

#include "core/member_table.h"
#include "core/scalars.h"
#include "core/secret_rules.h"

namespace sealstream {
namespace {

using Kind = JsonNode::Kind;

constexpr std::string_view kHeaderPrefix = "ce_";
constexpr std::string_view kContentType = "content-type";
constexpr std::size_t kFrameBytes = 5;  ///< of a schema registry: 0x00 and a four-byte id

Refusal refuse(Reason reason, std::string_view path, std::string message) {
  return {reason, std::string(path), std::move(message)};
}

std::string header_path(std::string_view name) {
  std::string path;
  append_member(path, name);
  return path;
}

bool only_holds(std::string_view text, std::string_view punctuation) {
  return std::ranges::all_of(text, [punctuation](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::ranges::find(punctuation, c) != punctuation.end();
  });
}

bool is_tenant(std::string_view text) {
  return !text.empty() && text.size() <= 64 && only_holds(text, "._-");
}

bool is_reserved(std::string_view tenant) {
  return tenant.starts_with('_') && tenant != "_unattributed" && tenant != "_sealstream";
}

std::optional<Refusal> check_tenant(std::string_view tenant, std::string_view path) {
  if (!is_tenant(tenant)) {
    return refuse(Reason::tenant_invalid, path,
                  "Send a tenant id of 1 to 64 characters: ASCII letters, digits, '.', '_' and '-'.");
  }
  if (is_reserved(tenant)) {
    return refuse(Reason::tenant_reserved, path,
                  "Send another tenant id: only _unattributed and _sealstream may begin with an underscore.");
  }
  return std::nullopt;
}

/// The ce_ headers and the content type of a record, each once.
struct Headers {
  std::vector<JsonNode> attributes;
  std::optional<std::string_view> content_type;
};

bool is_ours(const Header& header) {
  return header.name.starts_with(kHeaderPrefix) || header.name == kContentType;
}

std::optional<Refusal> check_header(const Header& header, std::size_t& count, std::size_t& bytes) {
  for (const std::string_view text : {header.name, header.value.value_or("")}) {
    if (auto fault = text_fault(text)) {
      fault->member_path = header_path(header.name);
      return fault;
    }
  }
  bytes += header.name.size() + header.value.value_or("").size();
  if (++count > kMaxMembers || bytes > kMaxValueBytes) {
    return refuse(Reason::too_large, header_path(header.name),
                  "Send at most " + std::to_string(kMaxMembers) + " ce_ headers of " +
                      std::to_string(kMaxValueBytes) + " bytes together.");
  }
  return std::nullopt;
}

Result<Headers> read_headers(const Record& record) {
  Headers headers;
  headers.attributes.reserve(record.headers.size());
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (const Header& header : record.headers) {
    if (!is_ours(header)) continue;
    if (auto fault = check_header(header, count, bytes)) return *fault;
    const auto is_same = [&header](const Header& other) { return other.name == header.name; };
    if (std::find_if(record.headers.data(), &header, is_same) != &header) {
      return refuse(Reason::duplicate_member, header_path(header.name), "Send each header once.");
    }
    if (!header.value) continue;
    if (header.name == kContentType) {
      headers.content_type = header.value;
      continue;
    }
    JsonNode& node = headers.attributes.emplace_back();
    node.kind = Kind::string;
    node.name = header.name.substr(kHeaderPrefix.size());
    node.text = *header.value;
    node.named_secret = names_secret(node.name);
    node.length = static_cast<std::uint32_t>(node.text.size());
  }
  return headers;
}

Result<bool> is_binary(const Headers& headers) {
  if (!headers.content_type || *headers.content_type == "application/json") {
    return !headers.attributes.empty();
  }
  const std::string type = media_type(*headers.content_type);
  if (type == "application/cloudevents+json") return false;
  if (type.starts_with("application/cloudevents") || !is_json_type(type)) {
    return refuse(
        Reason::unsupported_content_type, kContentType,
        "Send JSON: application/json in binary mode, application/cloudevents+json in structured mode.");
  }
  return !headers.attributes.empty();
}

Result<std::string_view> without_frame(std::string_view value) {
  if (value.front() != '\0') return value;
  const std::string_view payload = value.substr(std::min(kFrameBytes, value.size()));
  const std::size_t first = payload.find_first_not_of(" \t\r\n");
  if (first == payload.npos || payload[first] != '{') {
    return refuse(Reason::registry_framing, "",
                  "Send JSON: the value begins like that of a schema registry, and no JSON object follows.");
  }
  return payload;
}

/// The attributes of one event, found by name, with the checks that they share.
class Attributes {
 public:
  explicit Attributes(const std::vector<const JsonNode*>& attributes) : attributes_(attributes) {}

  const JsonNode* find(std::string_view name) const {
    for (const JsonNode* attribute : attributes_) {
      if (attribute->name == name && !attribute->is(Kind::null)) return attribute;
    }
    return nullptr;
  }

  /// A string of `least` to `most` bytes that must be there.
  Result<std::string_view> required(std::string_view name, std::size_t least, std::size_t most) const {
    const JsonNode* attribute = find(name);
    if (attribute == nullptr) {
      return refuse(Reason::schema, name,
                    "Send the attribute " + std::string(name) + ": every event needs it.");
    }
    if (!attribute->is(Kind::string) || attribute->length < least || attribute->length > most) {
      return refuse(Reason::schema, name,
                    "Send a string of " + std::to_string(least) + " to " + std::to_string(most) + " bytes.");
    }
    if (attribute->redacted) return secret(name);
    return attribute->text;
  }

  static Refusal secret(std::string_view name) {
    return refuse(
        Reason::secret_in_identifier, name,
        "Send an identifier that holds no key, token or password, and revoke the one that it holds.");
  }

 private:
  const std::vector<const JsonNode*>& attributes_;
};

std::optional<Refusal> check_content(const Attributes& attributes) {
  const JsonNode* version = attributes.find("specversion");
  if (version == nullptr || !version->is(Kind::string) || version->text != "1.0") {
    return refuse(Reason::not_cloudevents, "specversion", "Send a CloudEvent with the specversion 1.0.");
  }
  if (attributes.find("data_base64") != nullptr) {
    return refuse(Reason::unsupported_content_type, "data_base64", "Send data as JSON, not as base64.");
  }
  const JsonNode* type = attributes.find("datacontenttype");
  if (type != nullptr && (!type->is(Kind::string) || !is_json_type(type->text))) {
    return refuse(Reason::unsupported_content_type, "datacontenttype", "Send application/json, or nothing.");
  }
  return std::nullopt;
}

std::optional<Refusal> check_tenantid(const Attributes& attributes, std::string_view tenant) {
  const JsonNode* attribute = attributes.find("tenantid");
  if (attribute == nullptr) {
    return refuse(Reason::tenant_missing, "tenantid", "Send the attribute tenantid: every event needs it.");
  }
  if (attribute->redacted) return Attributes::secret("tenantid");
  if (auto fault = check_tenant(attribute->is(Kind::string) ? attribute->text : "", "tenantid")) return fault;
  if (attribute->text == tenant) return std::nullopt;
  return refuse(Reason::tenant_mismatch, "tenantid",
                "Send the same tenant id as record key and as tenantid.");
}

Result<Timestamp> check_time(const Attributes& attributes, Timestamp kafka_timestamp) {
  constexpr std::size_t kLongestTime = 64;
  constexpr Timestamp kFirst = std::chrono::sys_days(std::chrono::year(2015) / 1 / 1);
  constexpr std::chrono::hours kAhead{24};
  const auto text = attributes.required("time", 1, kLongestTime);
  if (!text) return text.refusal();
  const auto time = parse_time(text.value());
  if (!time) {
    return refuse(Reason::schema, "time",
                  "Send an RFC 3339 time with zone, for example 2026-01-31T08:00:00.123456Z.");
  }
  if (*time < kFirst || *time > kafka_timestamp + kAhead) {
    return refuse(Reason::time_out_of_range, "time",
                  "Send a time from 2015 on and at most 24 hours after the record reached Kafka.");
  }
  return *time;
}

std::optional<Refusal> check_identity(const Attributes& attributes, Envelope& envelope) {
  const auto id = attributes.required("id", 8, 64);
  if (!id) return id.refusal();
  if (!only_holds(id.value(), "._:-")) {
    return refuse(Reason::schema, "id",
                  "Send an id of 8 to 64 characters: ASCII letters, digits, '.', '_', ':' and '-'.");
  }
  const auto source = attributes.required("source", 1, 256);
  if (!source) return source.refusal();
  const auto type = attributes.required("type", 1, 128);
  if (!type) return type.refusal();
  if (!parse_type(type.value())) {
    return refuse(Reason::unknown_type, "type",
                  "Send a type of the contract: audit.<family>.<action>.v1, for example "
                  "audit.llm_call.completed.v1.");
  }
  envelope.id = id.value();
  envelope.source = source.value();
  envelope.type = type.value();
  return std::nullopt;
}

std::optional<Refusal> check_optional(const JsonNode& attribute, std::size_t most) {
  if (attribute.is(Kind::string) && attribute.length <= most) return std::nullopt;
  return refuse(Reason::schema, attribute.name,
                "Send a string of at most " + std::to_string(most) + " bytes.");
}

bool is_decimal(const JsonNode& attribute) {
  constexpr std::size_t kMostDigits = 64;
  return (attribute.is(Kind::string) || attribute.is(Kind::number)) && !attribute.text.empty() &&
         attribute.text.size() <= kMostDigits &&
         attribute.text.find_first_not_of("0123456789") == attribute.text.npos;
}

/// Checks one attribute that is not required and keeps it.
std::optional<Refusal> keep_optional(const JsonNode& attribute, const JsonTree& tree, Envelope& envelope) {
  constexpr std::size_t kTraceParentBytes = 55;
  const std::string_view name = attribute.name;
  const bool in_detail = name == "dataschema" || name == "traceparent" || name == "sequence";
  if (name == "subject" || name == "dataschema") {
    if (auto fault = check_optional(attribute, 256)) return fault;
  } else if (name == "traceparent") {
    if (auto fault = check_optional(attribute, kTraceParentBytes)) return fault;
    envelope.traceparent = attribute.text;
  } else if (name == "sequence" && !is_decimal(attribute)) {
    return refuse(Reason::schema, name, "Send a decimal number of at most 64 digits.");
  }
  std::string& text = (in_detail ? envelope.detail : envelope.personal).add(name);
  if (const JsonNode* fault = append_text_form(text, tree, attribute)) {
    return refuse(Reason::schema, tree.path(*fault), "Send a number that takes at most 64 characters.");
  }
  return std::nullopt;
}

}  // namespace

Result<Transport> read_transport(const Record& record) {
  auto headers = read_headers(record);
  if (!headers) return headers.refusal();
  const auto binary = is_binary(headers.value());
  if (!binary) return binary.refusal();
  const auto payload = without_frame(*record.value);
  if (!payload) return payload.refusal();
  return Transport{binary.value(), payload.value(), std::move(headers.value().attributes)};
}

Result<std::string_view> tenant_of_key(const Record& record) {
  if (!record.key || record.key->empty()) {
    return refuse(Reason::tenant_missing, "key", "Send the tenant id as the record's key.");
  }
  if (auto fault = text_fault(*record.key)) {
    fault->member_path = "key";
    return *fault;
  }
  if (holds_secret(*record.key)) return Attributes::secret("key");
  if (auto fault = check_tenant(*record.key, "key")) return *fault;
  return *record.key;
}

std::optional<Refusal> check_tenant_header(const Transport& transport, std::string_view tenant) {
  for (const JsonNode& header : transport.headers) {
    if (header.name == "tenantid" && header.text != tenant) {
      return refuse(Reason::tenant_mismatch, "ce_tenantid",
                    "Send the same tenant id as record key and as ce_tenantid.");
    }
  }
  return std::nullopt;
}

Result<Envelope> read_envelope(const std::vector<const JsonNode*>& nodes, const JsonTree& tree,
                               std::string_view tenant, Timestamp kafka_timestamp) {
  constexpr std::string_view kChecked = "specversion datacontenttype tenantid id source type time data";
  const Attributes attributes(nodes);
  Envelope envelope;
  if (auto fault = check_content(attributes)) return *fault;
  if (auto fault = check_tenantid(attributes, tenant)) return *fault;
  if (auto fault = check_identity(attributes, envelope)) return *fault;
  const auto time = check_time(attributes, kafka_timestamp);
  if (!time) return time.refusal();
  envelope.time = time.value();
  for (const JsonNode* attribute : nodes) {
    if (attribute->is(Kind::null) || is_one_of(attribute->name, kChecked)) continue;
    if (auto fault = keep_optional(*attribute, tree, envelope)) return *fault;
  }
  return envelope;
}

std::optional<EventType> parse_type(std::string_view type) {
  constexpr std::string_view kPrefix = "audit.";
  constexpr std::string_view kVersion = ".v1";
  constexpr std::size_t kLongestAdminAction = 50;
  static constexpr std::array<std::string_view, kPublishedFamilies> kActions = {
      "completed failed blocked",
      "completed failed denied input_required",
      "created accepted resolved",
      "created updated rotated revoked disabled enabled expired used auth_failed permission_changed",
      "",
      "login logout mfa_bind mfa_verify mfa_reset lockout"};
  if (!type.starts_with(kPrefix) || !type.ends_with(kVersion)) return std::nullopt;
  type.remove_prefix(kPrefix.size());
  const std::size_t dot = type.find('.');
  if (dot + 1 >= type.size() - kVersion.size()) return std::nullopt;
  const std::string_view action = type.substr(dot + 1, type.size() - kVersion.size() - dot - 1);
  for (std::size_t i = 0; i < kPublishedFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (type.substr(0, dot) != name(family)) continue;
    const bool known =
        family == Family::admin
            ? action.size() <= kLongestAdminAction &&
                  action.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == action.npos
            : is_one_of(action, kActions[i]);
    if (!known) return std::nullopt;
    return EventType{family, action, 1};
  }
  return std::nullopt;
}

}  // namespace sealstream
