#include "sealstream/core/event.h"

#include <array>
#include <deque>
#include <vector>

#include "core/cloudevents.h"
#include "core/json_tree.h"
#include "core/member_mapper.h"
#include "core/scalars.h"
#include "core/secret_rules.h"

namespace sealstream {
namespace {

using Kind = JsonNode::Kind;

std::optional<Refusal> check_value(const Record& record) {
  if (!record.value || record.value->empty()) {
    return Refusal{Reason::empty_value, {}, "Send the event as the record's value: it is empty."};
  }
  if (record.value->size() > kMaxValueBytes) {
    return Refusal{
        Reason::too_large, {}, "Send a value of at most " + std::to_string(kMaxValueBytes) + " bytes."};
  }
  return std::nullopt;
}

void set_position(const Record& record, Row& row) {
  row.set_text(Column::kafka_topic, record.topic);
  row.set_int(Column::kafka_log_epoch, record.log_epoch.value());
  row.set_int(Column::kafka_partition, record.partition.value());
  row.set_int(Column::kafka_offset, record.offset.value());
  row.set_int(Column::rules_version, kRulesVersion);
}

/// data.trace_id wins over traceparent; the two are never mixed.
void set_trace(const Envelope& envelope, Row& row) {
  if (row.has(Column::trace_id)) return;
  const auto parent = parse_traceparent(envelope.traceparent);
  if (!parent) return;
  row.set_text(Column::trace_id, parent->trace_id);
  if (!row.has(Column::span_id)) row.set_text(Column::span_id, parent->span_id);
}

void set_object(Row& row, Column column, JsonObject attributes, std::string_view name, JsonObject data) {
  if (!attributes.empty()) std::move(attributes).append_text(data.add(name));
  if (!data.empty()) row.set_json(column, std::move(data).text());
}

}  // namespace

std::string_view name(Family family) {
  static constexpr std::array<std::string_view, kFamilyCount> kNames = {
      "llm_call", "tool_invocation", "escalation", "api_key", "admin", "auth", "quarantined"};
  return kNames[static_cast<std::size_t>(family)];
}

struct Decoder::State {
  JsonTree tree;
  std::vector<const JsonNode*> attributes;
  std::deque<std::string> redacted;  ///< texts that nodes view in place of what was sent
  std::vector<std::uint32_t> hits = std::vector<std::uint32_t>(secret_rules().size());

  Result<Event> decode(const Record& record);
  void redact_node(JsonNode& node);
  void redact_tree();
  const JsonNode* collect_attributes(const Transport& transport);
  Result<Event> event(const Record& record, const Envelope& envelope, const Transport& transport,
                      const JsonNode& data);
};

Decoder::Decoder() : state_(std::make_unique<State>()) {}
Decoder::~Decoder() = default;

Result<Event> Decoder::decode(const Record& record) { return state_->decode(record); }
std::span<const std::uint32_t> Decoder::redactions() const { return state_->hits; }

Result<Event> Decoder::State::decode(const Record& record) {
  redacted.clear();
  std::ranges::fill(hits, 0);
  if (auto fault = check_value(record)) return *fault;
  const auto tenant = tenant_of_key(record);
  if (!tenant) return tenant.refusal();
  auto transport = read_transport(record);
  if (!transport) return transport.refusal();
  if (auto fault = check_tenant_header(transport.value(), tenant.value())) {
    if (!transport.value().binary) return *fault;
  }
  constexpr JsonLimits kLimits{kMaxDepth, kMaxMembers, true};
  if (auto fault = tree.parse(transport.value().payload, kLimits)) {
    if (transport.value().binary) fault->member_path = join_path("data", fault->member_path);
    return *fault;
  }
  redact_tree();
  for (JsonNode& header : transport.value().headers) redact_node(header);
  const JsonNode* data = collect_attributes(transport.value());
  auto envelope = read_envelope(attributes, tree, tenant.value(), record.timestamp);
  if (!envelope) return envelope.refusal();
  if (data == nullptr) return Refusal{Reason::schema, "data", "Send data: every event needs it."};
  return event(record, envelope.value(), transport.value(), *data);
}

void Decoder::State::redact_node(JsonNode& node) {
  if (auto name = redact(node.name, hits)) node.name = redacted.emplace_back(std::move(*name));
  if (!node.is(Kind::string)) return;
  if (auto text = redact_member(node.named_secret, node.text, hits)) {
    node.text = redacted.emplace_back(std::move(*text));
    node.redacted = true;
  }
}

/// One scan over the document tells which nodes a secret may lie in; few are left to be scanned one by one.
void Decoder::State::redact_tree() {
  mark_secret_names(tree);
  SecretScan scan(tree.document());
  auto suspicion = scan.next_suspicion();
  for (JsonNode& node : tree.nodes()) {
    constexpr std::size_t kQuotes = 2;
    const std::size_t begin = node.name.empty() ? node.text_at : node.name_at;
    const std::size_t end = node.is(Kind::string) ? node.text_at + node.text.size() + kQuotes
                                                  : begin + node.name.size() + kQuotes;
    if (suspicion && *suspicion < begin) {
      scan.leave_out_to(begin);
      suspicion = scan.next_suspicion();
    }
    const bool suspected = suspicion && *suspicion < end;
    if (suspected || node.escaped || node.named_secret) redact_node(node);
  }
}

/// Fills `attributes` and returns the node of data, which may be null.
const JsonNode* Decoder::State::collect_attributes(const Transport& transport) {
  attributes.clear();
  if (transport.binary) {
    for (const JsonNode& header : transport.headers) attributes.push_back(&header);
    return &tree.root();
  }
  const JsonNode* data = nullptr;
  for (const JsonNode& attribute : tree.children(tree.root())) {
    attributes.push_back(&attribute);
    if (attribute.name == "data" && !attribute.is(Kind::null)) data = &attribute;
  }
  return data;
}

Result<Event> Decoder::State::event(const Record& record, const Envelope& envelope,
                                    const Transport& transport, const JsonNode& data) {
  const auto type = parse_type(envelope.type);
  Event event{std::string(*record.key), std::string(envelope.id), type->family, envelope.time, {}};
  Row& row = event.row;
  row.reserve(record.value->size());  // a row takes about two thirds of it
  row.set_text(Column::event_id, envelope.id);
  row.set_text(Column::family, name(type->family));
  row.set_text(Column::action, type->action);
  row.set_int(Column::schema_version, type->schema_version);
  row.set_text(Column::source, envelope.source);
  row.set_timestamp(Column::event_time, envelope.time);
  set_position(record, row);

  JsonObject detail;
  JsonObject personal;
  MemberMapper mapper(tree, transport.binary ? "data" : "", row, hits);
  if (auto fault = mapper.map(type->family, type->action, data, detail, personal)) return *fault;
  set_trace(envelope, row);
  set_object(row, Column::detail, envelope.detail, "attributes", std::move(detail));
  JsonObject personal_detail;
  if (!personal.empty()) std::move(personal).append_text(personal_detail.add("data"));
  set_object(row, Column::personal_detail, envelope.personal, "attributes", std::move(personal_detail));
  return event;
}

std::string tombstone_tenant(const Record& record) {
  if (const auto tenant = tenant_of_key(record)) return std::string(tenant.value());
  return "_unattributed." + std::to_string(record.partition.value());
}

Event tombstone(const Record& record, Reason reason) {
  std::string id = "!";
  id.append(record.topic).append("/").append(std::to_string(record.log_epoch.value()));
  id.append("/").append(std::to_string(record.partition.value()));
  id.append("/").append(std::to_string(record.offset.value()));
  Event event{tombstone_tenant(record), std::move(id), Family::quarantined, record.timestamp, {}};
  event.row.set_text(Column::event_id, event.id);
  event.row.set_text(Column::family, name(event.family));
  event.row.set_text(Column::action, name(reason));
  event.row.set_int(Column::schema_version, 0);
  event.row.set_text(Column::source, "");
  event.row.set_timestamp(Column::event_time, record.timestamp);
  set_position(record, event.row);
  return event;
}

}  // namespace sealstream
