#include "core/secret_shapes.h"

#include <algorithm>
#include <array>

#include "core/secret_rules.h"

namespace sealstream {
namespace {

/// A set of characters, made from ranges and single characters as in a regular expression's brackets.
class CharacterSet {
 public:
  constexpr explicit CharacterSet(std::string_view ranges, bool inverted = false) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const bool is_range = i + 2 < ranges.size() && ranges[i + 1] == '-';
      const auto last = static_cast<unsigned char>(is_range ? ranges[i + 2] : ranges[i]);
      for (unsigned c = static_cast<unsigned char>(ranges[i]); c <= last; ++c) in_[c] = true;
      if (is_range) i += 2;
    }
    if (inverted) {
      for (bool& in : in_) in = !in;
    }
  }
  constexpr bool has(char c) const { return in_[static_cast<unsigned char>(c)]; }
  /// The length of the run of such characters at `begin`.
  std::size_t run(std::string_view text, std::size_t begin) const {
    std::size_t end = begin;
    while (end < text.size() && has(text[end])) ++end;
    return end - begin;
  }

 private:
  std::array<bool, 256> in_{};
};

constexpr CharacterSet kWord("A-Za-z0-9_-");
constexpr CharacterSet kAlnum("A-Za-z0-9");
constexpr CharacterSet kUpper("A-Z0-9");
constexpr CharacterSet kHex("0-9a-f");
constexpr CharacterSet kToken("A-Za-z0-9._~+/=-");
constexpr CharacterSet kBase64("A-Za-z0-9+/");
constexpr CharacterSet kBlank(" \t");
constexpr CharacterSet kSpace(" \t\r\n");
constexpr CharacterSet kQuote("\"'");
constexpr CharacterSet kUserInfo(" \t\r\n/?#\"'<>\\", true);
constexpr CharacterSet kQueryValue(" \t\r\n&#\"'<>\\", true);
constexpr CharacterSet kQuotedValue("\"'\\", true);
constexpr CharacterSet kPlainValue(" \t\r\n\"'\\,;&<>", true);

constexpr std::size_t kLongestGap = 4;

constexpr std::array<std::string_view, 23> kQueryNames = {"key",
                                                          "api-key",
                                                          "access-key",
                                                          "access-token",
                                                          "auth-token",
                                                          "id-token",
                                                          "refresh-token",
                                                          "session-token",
                                                          "token",
                                                          "auth",
                                                          "secret",
                                                          "client-secret",
                                                          "password",
                                                          "passwd",
                                                          "pwd",
                                                          "sig",
                                                          "signature",
                                                          "x-amz-signature",
                                                          "x-amz-security-token",
                                                          "x-goog-signature",
                                                          "subscription-key",
                                                          "private-key",
                                                          "x-api-key"};

constexpr std::array<std::string_view, 25> kSecretNames = {"password",
                                                           "passwd",
                                                           "passphrase",
                                                           "secret",
                                                           "client-secret",
                                                           "secret-key",
                                                           "secret-access-key",
                                                           "aws-secret-access-key",
                                                           "private-key",
                                                           "api-key",
                                                           "x-api-key",
                                                           "access-token",
                                                           "refresh-token",
                                                           "auth-token",
                                                           "session-token",
                                                           "id-token",
                                                           "authorization",
                                                           "proxy-authorization",
                                                           "cookie",
                                                           "set-cookie",
                                                           "mfa-seed",
                                                           "mfa-secret",
                                                           "totp-secret",
                                                           "totp-seed",
                                                           "otp-secret"};

const CharacterSet& characters(Body body) {
  switch (body) {
    case Body::alnum:
      return kAlnum;
    case Body::upper:
      return kUpper;
    case Body::hex:
      return kHex;
    case Body::token:
      return kToken;
    default:
      return kWord;
  }
}

bool begins_with(std::string_view text, std::string_view beginning, bool any_case) {
  if (!any_case) return text.starts_with(beginning);
  return text.size() >= beginning.size() &&
         std::ranges::equal(text.substr(0, beginning.size()), beginning,
                            [](char a, char b) { return small_letter(a) == b; });
}

/// Up to kLongestGap characters of a set.
std::size_t gap(const CharacterSet& set, std::string_view text, std::size_t at) {
  return std::min(set.run(text, at), kLongestGap);
}

std::optional<TextRange> fit_jwt(std::string_view text, std::size_t begin) {
  constexpr std::size_t kShortest = 8;
  std::size_t end = jwt_header_end(text, begin);
  if (end - begin < 3 + kShortest || end == text.size() || text[end] != '.') return std::nullopt;
  const std::size_t payload = kWord.run(text, end + 1);
  if (payload < kShortest) return std::nullopt;
  end += 1 + payload;
  while (end < text.size() && text[end] == '.') end += 1 + kWord.run(text, end + 1);
  return TextRange{begin, end};
}

/// The end of a PEM line "-----BEGIN RSA PRIVATE KEY-----" whose label begins at `label`; 0 where it is none.
std::size_t pem_line_end(std::string_view text, std::size_t label) {
  constexpr std::size_t kLongestLabel = 48;
  const std::size_t dashes = text.substr(0, label + kLongestLabel + 5).find("-----", label);
  if (dashes == text.npos) return 0;
  std::string_view name = text.substr(label, dashes - label);
  if (name.ends_with(" BLOCK")) name.remove_suffix(6);
  const bool plain = std::ranges::all_of(name, [](char c) { return kUpper.has(c) || c == ' '; });
  return plain && name.ends_with("PRIVATE KEY") ? dashes + 5 : 0;
}

std::optional<TextRange> fit_private_key(std::string_view text, std::size_t begin, std::size_t label) {
  constexpr std::string_view kEnd = "-----END ";
  const std::size_t body = pem_line_end(text, label);
  if (body == 0) return std::nullopt;
  for (std::size_t end = text.find(kEnd, body); end != text.npos; end = text.find(kEnd, end + 1)) {
    if (const std::size_t line = pem_line_end(text, end + kEnd.size()); line != 0)
      return TextRange{begin, line};
  }
  return TextRange{begin, text.size()};
}

std::optional<TextRange> fit_bearer(std::string_view text, std::size_t begin, std::size_t at) {
  constexpr std::size_t kShortest = 16;
  const std::size_t blank = gap(kBlank, text, at);
  const std::size_t token = kToken.run(text, at + blank);
  if (blank == 0 || token < kShortest) return std::nullopt;
  return TextRange{begin, at + blank + token};
}

std::optional<TextRange> fit_basic(std::string_view text, std::size_t begin, std::size_t at) {
  constexpr std::size_t kShortest = 6;
  const std::size_t blank = gap(kBlank, text, at);
  const std::size_t run = kBase64.run(text, at + blank);
  std::size_t end = at + blank + run;
  if (blank == 0 || run < kShortest || end == text.size() || text[end] != '=') return std::nullopt;
  while (end < text.size() && text[end] == '=') ++end;
  return TextRange{begin, end};
}

std::optional<TextRange> fit_basic_header(std::string_view text, std::size_t begin, std::size_t at) {
  constexpr std::string_view kScheme = "basic";
  constexpr std::size_t kShortest = 8;
  at += gap(kBlank, text, at);
  if (!begins_with(text.substr(at), kScheme, true)) return std::nullopt;
  at += kScheme.size();
  const std::size_t blank = gap(kBlank, text, at);
  const std::size_t run = kToken.run(text, at + blank);
  if (blank == 0 || run < kShortest) return std::nullopt;
  return TextRange{begin, at + blank + run};
}

std::optional<TextRange> fit_url_credentials(std::string_view text, std::size_t begin) {
  constexpr std::size_t kShortestToken = 16;
  const std::string_view run = text.substr(begin, kUserInfo.run(text, begin));
  const std::size_t at = run.rfind('@');
  if (at == run.npos) return std::nullopt;
  const std::string_view credentials = run.substr(0, at);
  const std::size_t colon = credentials.find(':');
  const bool has_password = colon != credentials.npos && colon + 1 < credentials.size();
  if (!has_password && credentials.size() < kShortestToken) return std::nullopt;
  if (marker_length(credentials) == credentials.size()) return std::nullopt;
  return TextRange{begin, begin + at};
}

std::optional<TextRange> fit_url_key(std::string_view text, std::size_t at) {
  constexpr std::size_t kShortest = 4;
  for (const std::string_view name : kQueryNames) {
    const std::size_t length = name_length(name, text.substr(at));
    const std::size_t value = at + length + 1;
    if (length == 0 || value > text.size() || text[value - 1] != '=') continue;
    const std::size_t run = kQueryValue.run(text, value);
    if (run < kShortest || marker_length(text.substr(value)) > 0) return std::nullopt;
    return TextRange{value, value + run};
  }
  return std::nullopt;
}

/// The length of a quote, which may be escaped, at `at`; 0 where there is none.
std::size_t quote_length(std::string_view text, std::size_t at) {
  if (at < text.size() && kQuote.has(text[at])) return 1;
  return at + 1 < text.size() && text[at] == '\\' && kQuote.has(text[at + 1]) ? 2 : 0;
}

/// The value behind a secret's name, as in `"password": "…"`, `password='…'` or `password=…`.
std::optional<TextRange> fit_assigned(std::string_view text, std::size_t at) {
  at += quote_length(text, at);
  at += gap(kSpace, text, at);
  if (at == text.size() || (text[at] != ':' && text[at] != '=')) return std::nullopt;
  const bool may_be_plain = text[at] == '=';
  ++at;
  at += gap(kSpace, text, at);
  const std::size_t quote = quote_length(text, at);
  if (quote == 0 && !may_be_plain) return std::nullopt;
  at += quote;
  const std::size_t run = (quote > 0 ? kQuotedValue : kPlainValue).run(text, at);
  if (run < kShortestNamedSecret || marker_length(text.substr(at)) > 0) return std::nullopt;
  return TextRange{at, at + run};
}

std::optional<TextRange> fit_named_secret(std::string_view text, std::size_t begin) {
  const char first = small_letter(text[begin]);
  for (const std::string_view name : kSecretNames) {
    const std::size_t length = name[0] == first ? name_length(name, text.substr(begin)) : 0;
    if (length == 0) continue;
    if (auto range = fit_assigned(text, begin + length)) return range;
  }
  return std::nullopt;
}

/// Tells most names apart from kSecretNames by their length, first two and last two characters.
class NameFilter {
 public:
  NameFilter() {
    for (const std::string_view name : kSecretNames) {
      may_begin_[place(name[0], name[1])] = true;
      if (name[1] == '-') may_begin_[place(name[0], '_')] = may_begin_[place(name[0], name[2])] = true;
      may_end_[place(name[name.size() - 2], name.back())] = true;
    }
  }
  /// Whether a secret's name may stand at the end of `name`.
  bool may_end(std::string_view name) const {
    return name.size() >= kShortest && may_end_[place(name[name.size() - 2], name.back())];
  }
  /// Whether `name` may be a secret's name.
  bool may_name_secret(std::string_view name) const {
    return name.size() >= kShortest && may_begin_[place(name[0], name[1])];
  }

 private:
  static constexpr std::size_t kShortest = 6;

  /// The same for small and capital letters.
  static std::size_t place(char first, char second) {
    return static_cast<std::size_t>(first & 31) << 5 | static_cast<std::size_t>(second & 31);
  }
  std::array<bool, 1024> may_begin_{};
  std::array<bool, 1024> may_end_{};
};

/// "(?:api[-_]?key|token)"
template <std::size_t N>
std::string alternatives(const std::array<std::string_view, N>& names) {
  std::string text = "(?:";
  for (const std::string_view name : names) {
    if (text.size() > 3) text += '|';
    for (const char c : name) text += c == '-' ? std::string("[-_]?") : std::string(1, c);
  }
  return text + ")";
}

std::string run_pattern(const Shape& shape) {
  static constexpr std::array<std::string_view, 5> kSets = {"[A-Za-z0-9_-]", "[A-Za-z0-9]", "[A-Z0-9]",
                                                            "[0-9a-f]", "[A-Za-z0-9._~+/=-]"};
  std::string text;
  for (const char c : shape.begins) text += c == '.' ? std::string("[.]") : std::string(1, c);
  text += kSets[static_cast<std::size_t>(shape.body)];
  return text.append("{").append(std::to_string(shape.minimum)).append(",}");
}

}  // namespace

char small_letter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::span<const std::string_view> secret_names() { return kSecretNames; }
std::span<const std::string_view> query_names() { return kQueryNames; }

std::size_t name_length(std::string_view name, std::string_view text) {
  std::size_t at = 0;
  for (const char c : name) {
    if (at < text.size() && (c == '-' ? text[at] == '-' || text[at] == '_' : small_letter(text[at]) == c)) {
      ++at;
    } else if (c != '-') {
      return 0;
    }
  }
  return at;
}

bool names_secret(std::string_view member_name) {
  static const NameFilter kFilter;
  if (!kFilter.may_end(member_name)) return false;
  const auto is_small = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_letter = [&](char c) { return is_small(small_letter(c)); };
  for (std::size_t begin = 0; begin < member_name.size(); ++begin) {
    const bool at_word = begin == 0 || !is_letter(member_name[begin - 1]) ||
                         (is_small(member_name[begin - 1]) && !is_small(member_name[begin]));
    const std::string_view rest = member_name.substr(begin);
    if (!at_word || !kFilter.may_name_secret(rest)) continue;
    const auto is_rest = [=](std::string_view name) { return name_length(name, rest) == rest.size(); };
    if (std::ranges::any_of(kSecretNames, is_rest)) return true;
  }
  return false;
}

bool is_any_case(Body body) {
  return body == Body::bearer || body == Body::basic || body == Body::basic_header;
}

std::size_t jwt_header_end(std::string_view text, std::size_t begin) {
  return begin + kWord.run(text, begin);
}

bool needs_word_start(Body body) {
  return body != Body::private_key && body != Body::url_credentials && body != Body::url_key;
}

std::optional<TextRange> fit(const Shape& shape, std::string_view text, std::size_t begin) {
  if (!begins_with(text.substr(begin), shape.begins, is_any_case(shape.body))) return std::nullopt;
  const std::size_t at = begin + shape.begins.size();
  switch (shape.body) {
    case Body::jwt:
      return fit_jwt(text, begin);
    case Body::private_key:
      return fit_private_key(text, begin, at);
    case Body::bearer:
      return fit_bearer(text, begin, at);
    case Body::basic:
      return fit_basic(text, begin, at);
    case Body::basic_header:
      return fit_basic_header(text, begin, at);
    case Body::url_credentials:
      return fit_url_credentials(text, at);
    case Body::url_key:
      return fit_url_key(text, at);
    case Body::named_secret:
      return fit_named_secret(text, begin);
    default:
      break;
  }
  const std::size_t run = characters(shape.body).run(text, at);
  if (run < shape.minimum) return std::nullopt;
  return TextRange{begin, at + run};
}

std::string pattern(const Shape& shape) {
  switch (shape.body) {
    case Body::jwt:
      return R"(eyJ[A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]{8,}(?:[.][A-Za-z0-9_-]*)*)";
    case Body::private_key:
      return R"(-----BEGIN (?=.{0,48}-----)[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)"
             R"((?:[^]*?-----END (?=.{0,48}-----)[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|[^]*))";
    case Body::bearer:
      return R"((?i)bearer[ \t]{1,4}[A-Za-z0-9._~+/=-]{16,})";
    case Body::basic:
      return R"((?i)basic[ \t]{1,4}[A-Za-z0-9+/]{6,}=+)";
    case Body::basic_header:
      return R"((?i)authorization:[ \t]{0,4}basic[ \t]{1,4}[A-Za-z0-9._~+/=-]{8,})";
    case Body::url_credentials:
      return R"(://([^ \t\r\n/?#"'<>\\]*:[^ \t\r\n/?#"'<>\\]+|[^ \t\r\n/?#"'<>\\]{16,})@(?![^ \t\r\n/?#"'<>\\]*@))";
    case Body::url_key:
      return "(?i)[" + std::string(shape.begins) + "]" + alternatives(kQueryNames) +
             R"re(=([^ \t\r\n&#"'<>\\]{4,}))re";
    case Body::named_secret:
      return "(?i)" + alternatives(kSecretNames) +
             R"re((?:\\?["'])?[ \t\r\n]{0,4}(?:[:=][ \t\r\n]{0,4}\\?["']([^"'\\]{5,})|=[ \t\r\n]{0,4}([^ \t\r\n"'\\,;&<>]{5,})))re";
    default:
      return run_pattern(shape);
  }
}

}  // namespace sealstream
