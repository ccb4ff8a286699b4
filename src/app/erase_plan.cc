#include "app/erase_plan.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "app/json_writer.h"

namespace sealstream {
namespace {

/// Fills events one after the other.
class EventFiller {
 public:
  explicit EventFiller(std::vector<std::vector<SeqRange>>& events) : events_(events) {}

  void add(SeqRange range) {
    Seq from = range.from;
    while (from <= range.to) {
      if (events_.empty() || events_.back().size() == kMaxErasedRanges || rows_ == kMaxErasedRows) {
        events_.emplace_back();
        rows_ = 0;
      }
      const std::int64_t taken = std::min(distance(from, next(range.to)), kMaxErasedRows - rows_);
      const Seq to(from.value() + taken - 1);
      events_.back().push_back({from, to});
      rows_ += taken;
      from = next(to);
    }
  }

 private:
  std::vector<std::vector<SeqRange>>& events_;
  std::int64_t rows_ = 0;  ///< of the last event
};

/// The code point that UTF-8 text begins with, cut off.
char32_t cut_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code = length == 1 ? lead : lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length && i < text.size(); ++i) {
    code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  text.remove_prefix(std::min(length, text.size()));
  return code;
}

/// JSON's text of a string without quotes, all of it ASCII; `format` is of a UTF-16 unit.
std::string ascii_escaped(std::string_view text, const char* format) {
  std::string out;
  const auto unit = [&](char32_t code) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, format, static_cast<unsigned>(code));
    out += escaped;
  };
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t code = cut_code_point(text);
    if (code < 0x80) {
      out += printable(before.substr(0, 1));
    } else if (code < 0x10000) {
      unit(code);
    } else {
      unit(0xD800 + ((code - 0x10000) >> 10));
      unit(0xDC00 + ((code - 0x10000) & 0x3FF));
    }
  }
  return out;
}

}  // namespace

ErasePlan plan_erasure(std::span<const SeqRange> rows, const ErasedRows& erased) {
  ErasePlan plan;
  EventFiller fresh(plan.fresh);
  for (const SeqRange range : rows) {
    Seq from = range.from;
    while (from <= range.to) {
      const auto covered = erased.find(from);
      Seq to = range.to;
      if (covered) {
        to = std::min(to, covered->to);
        plan.named[covered->event].push_back({from, to});
      } else {
        if (const auto named = erased.next_from(from)) to = std::min(to, Seq(named->value() - 1));
        fresh.add({from, to});
      }
      from = next(to);
    }
  }
  return plan;
}

std::int64_t count_rows(std::span<const SeqRange> rows) {
  std::int64_t count = 0;
  for (const SeqRange range : rows) count += distance(range.from, next(range.to));
  return count;
}

std::vector<std::string> written_forms(std::string_view text) {
  const std::set<std::string> forms = {std::string(text), printable(text), ascii_escaped(text, "\\u%04x"),
                                       ascii_escaped(text, "\\u%04X")};
  return {forms.begin(), forms.end()};
}

}  // namespace sealstream
