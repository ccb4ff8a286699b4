// From the members of `data` to the columns of a row.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/json_tree.h"
#include "core/member_table.h"
#include "sealstream/core/error.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"
#include "sealstream/core/row.h"

namespace sealstream {

/// Maps one event's data. Borrows everything it is given; lives for one record.
class MemberMapper {
 public:
  /// `root` is where the tree stands in the record ("data" in binary mode), for the paths of refusals.
  MemberMapper(const JsonTree& tree, std::string_view root, Row& row, std::span<std::uint32_t> hits)
      : tree_(tree), root_(root), row_(row), hits_(hits) {}

  /// Sets the row's columns from the members of `data`; what has no column goes to `detail` and `personal`,
  /// under its nesting on the wire. Returns why the event is refused; then the row is of no use.
  std::optional<Refusal> map(Family family, std::string_view action, const JsonNode& data, JsonObject& detail,
                             JsonObject& personal);

 private:
  using Fault = std::optional<Refusal>;

  Fault object(const MemberLevel& level, const JsonNode& node, JsonObject& detail, JsonObject& personal);
  Fault member(const Member& member, const JsonNode& node, JsonObject& detail, JsonObject& personal);
  Fault unknown(const JsonNode& node, JsonObject& personal);

  Fault text(const Member& member, const JsonNode& node, JsonObject& detail, JsonObject& personal);
  Fault bounded(const Member& member, const JsonNode& node, std::string_view sent, std::size_t length,
                JsonObject& detail, JsonObject& personal);
  Fault choice(const Member& member, const JsonNode& node, JsonObject& detail);
  Fault integer(const Member& member, const JsonNode& node, JsonObject& detail);
  Fault money(const Member& member, const JsonNode& node);
  Fault boolean(const Member& member, const JsonNode& node, JsonObject& detail);
  Fault time(const JsonNode& node, JsonObject& detail);
  Fault address(const Member& member, const JsonNode& node, JsonObject& personal);
  Fault key_hash(const Member& member, const JsonNode& node);
  Fault texts(const Member& member, const JsonNode& node, JsonObject& detail, JsonObject& personal);
  Fault ranges(const Member& member, const JsonNode& node, JsonObject& detail);
  Fault record(const Member& member, const JsonNode& node, JsonObject& known, JsonObject& unknown);
  Fault json_record(const Member& member, const JsonNode& node, JsonObject& personal);
  Fault json_records(const Member& member, const JsonNode& node, JsonObject& personal);
  Fault json_value(const Member& member, const JsonNode& node, JsonObject& personal);

  void store(const Member& member, const JsonNode& node, std::string_view text, JsonObject& detail,
             JsonObject& personal);
  Fault array_of(const JsonNode& node, std::uint32_t bound, std::string_view items) const;
  Fault required(Family family, std::string_view action) const;
  Fault missing(std::string_view path, std::string_view family) const;
  Refusal schema(const JsonNode& node, std::string message) const;
  Fault text_form(const JsonNode& node, std::string& out) const;

  const JsonTree& tree_;
  std::string_view root_;
  Row& row_;
  std::span<std::uint32_t> hits_;
  std::bitset<kMostMembers> present_;  ///< by index in members()
};

}  // namespace sealstream
