// CloudEvents 1.0 over Kafka: which bytes of a record are the event's attributes, and which are its data.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_tree.h"
#include "sealstream/core/error.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"
#include "sealstream/core/record.h"

namespace sealstream {

/// How a record carries its event.
struct Transport {
  bool binary = false;            ///< attributes in headers, the value is `data`; else all is in the value
  std::string_view payload;       ///< the JSON in the value, framing stripped
  std::vector<JsonNode> headers;  ///< the ce_ headers as attributes; null ones left out
};

/// Reads headers, content type and framing. Nothing is parsed; the headers' texts live with the record.
Result<Transport> read_transport(const Record& record);

/// The tenant that a record's key names, or why it names none.
Result<std::string_view> tenant_of_key(const Record& record);

/// In structured mode the header ce_tenantid is the only one that counts: it must name the same tenant.
std::optional<Refusal> check_tenant_header(const Transport& transport, std::string_view tenant);

/// An event's attributes, checked.
struct Envelope {
  std::string_view id;
  std::string_view source;
  std::string_view type;
  Timestamp time;
  std::string_view traceparent;  ///< empty where there is none
  JsonObject detail;             ///< known attributes without a column: traceparent, dataschema, sequence
  JsonObject personal;           ///< subject and all unknown attributes
};

/// Checks the attributes, in a fixed order: specversion, data_base64, datacontenttype, tenantid, id, source,
/// type, time, then the optional ones as sent. `tree` holds the attributes that are no headers; the texts of
/// the result live with it.
Result<Envelope> read_envelope(const std::vector<const JsonNode*>& attributes, const JsonTree& tree,
                               std::string_view tenant, Timestamp kafka_timestamp);

/// A type taken apart: audit.<family>.<action>.v<major>.
struct EventType {
  Family family;
  std::string_view action;
  std::int64_t schema_version;
};

/// Nothing where the contract knows no such type.
std::optional<EventType> parse_type(std::string_view type);

}  // namespace sealstream
