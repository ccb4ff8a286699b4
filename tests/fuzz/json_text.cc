// The json text form, of any document; and of numbers and money, of any text. The text form means what the
// document means, and its text form is itself.
#include "sealstream/core/json_text.h"

#include <charconv>
#include <map>

#include "fuzz.h"
#include "json_strings.h"

namespace sealstream::fuzz {
namespace {

using simdjson::dom::element;

double number(const element& of) {
  double value = 0;
  (void)of.get_double().get(value);
  return value;
}

/// Of equal names the last one counts, as in jsonb.
std::map<std::string_view, element> members(const element& object) {
  std::map<std::string_view, element> last;
  for (const auto& [name, value] : simdjson::dom::object(object)) last.insert_or_assign(name, value);
  return last;
}

bool same(const element& one, const element& other) {
  if (one.is_number()) return other.is_number() && number(one) == number(other);
  if (one.type() != other.type()) return false;
  if (one.is_string()) return std::string_view(one) == std::string_view(other);
  if (one.is_bool()) return bool(one) == bool(other);
  if (one.is_array()) {
    const simdjson::dom::array left(one), right(other);
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), same);
  }
  if (!one.is_object()) return true;
  const auto left = members(one), right = members(other);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& mine, const auto& theirs) {
                      return mine.first == theirs.first && same(mine.second, theirs.second);
                    });
}

void check_document(std::string_view document) {
  const std::optional<std::string> text = json_text(document);
  if (!text) return;
  demand(json_text(*text) == text, "the text form of a text form is itself");
  simdjson::dom::parser one, other;
  element before, after;
  const bool read = one.parse(simdjson::padded_string(document)).get(before) == simdjson::SUCCESS &&
                    other.parse(simdjson::padded_string(*text)).get(after) == simdjson::SUCCESS;
  if (read) demand(same(before, after), "the text form means what the document means");
}

void check_number(std::string_view token) {
  std::string text = "[", again = "[";
  if (!append_json_number(text, token)) {
    demand(text == "[", "what is no number leaves nothing");
    return;
  }
  demand(text.size() <= 1 + kMaxNumberCharacters, "a number is as long as it may be");
  demand(append_json_number(again, std::string_view(text).substr(1)) && again == text,
         "a printed number prints the same");
  demand(std::strtod(text.c_str() + 1, nullptr) == std::strtod(std::string(token).c_str(), nullptr),
         "a number keeps its value");
}

void check_money(std::string_view token) {
  const std::optional<std::string> text = money_text(token);
  if (!text) return;
  demand(money_text(*text) == text, "printed money prints the same");
  demand(std::abs(std::strtod(text->c_str(), nullptr) - std::strtod(std::string(token).c_str(), nullptr)) <=
             1e-9,
         "money keeps its value");
}

}  // namespace
}  // namespace sealstream::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = sealstream::fuzz::Input(data, size).all();
  sealstream::fuzz::check_document(text);
  sealstream::fuzz::check_number(text);
  sealstream::fuzz::check_money(text);
  return 0;
}
