// Goal: no secret whose shape is known survives, and ordinary text does.
// Method: a positive and a near miss for every shape; the compiled scan against the regular expressions of
// schemas/secret-rules.tsv on generated strings; texts made to be slow.
#include "sealstream/core/secrets.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <fstream>
#include <random>
#include <regex>
#include <set>

#include "core/secret_rules.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

std::string redacted(std::string_view text) {
  std::vector<std::uint32_t> hits(secret_rules().size());
  return redact(text, hits).value_or(std::string(text));
}

std::string letters(std::size_t count) {
  constexpr std::string_view kLetters = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9";
  std::string text;
  while (text.size() < count) text += kLetters[text.size() % kLetters.size()];
  return text;
}
std::string hex(std::size_t count) { return std::string(count, '7'); }
std::string upper(std::size_t count) { return std::string(count, 'Q'); }

struct Example {
  std::string rule;
  std::string secret;     ///< is replaced wherever a word starts
  std::string near_miss;  ///< stays
};

/// Shapes that are a literal beginning and a run of characters: the keys of AI providers and clouds.
std::vector<Example> provider_examples() {
  return {
      {"anthropic-key", "sk-ant-api03-" + letters(20), "sk-ant-api03"},
      {"openai-key", "sk-proj-" + letters(20), "sk-proj-short"},
      {"openai-key", "sk-svcacct-" + letters(20), "sk-svcacct"},
      {"openai-key", "sk-admin-" + letters(20), "sk-admin-it"},
      {"sk-key", "sk-" + letters(16), "sk-" + letters(15)},
      {"platform-key", "msys_" + letters(16), "msys_" + letters(15)},
      {"platform-key", "muser_" + letters(16), "muser_" + letters(15)},
      {"platform-key", "msvc_" + letters(16), "msvc_" + letters(15)},
      {"platform-key", "mint_" + letters(16), "mint_" + letters(15)},
      {"platform-key", "memg_" + letters(16), "memg_" + letters(15)},
      {"aws-key", "AKIA" + upper(16), "AKIA" + upper(15)},
      {"aws-key", "ASIA" + upper(16), "ASIA" + upper(15) + "q"},
      {"aws-key", "ABIA" + upper(16), "ABIA"},
      {"aws-key", "ACCA" + upper(16), "ACCA"},
      {"google-key", "AIza" + letters(35), "AIza" + letters(29)},
      {"google-key", "ya29." + letters(40), "ya29." + letters(19)},
      {"google-key", "GOCSPX-" + letters(28), "GOCSPX-" + letters(19)},
      {"github-token", "ghp_" + letters(36), "ghp_" + letters(19)},
      {"github-token", "gho_" + letters(36), "gho_" + letters(19)},
      {"github-token", "ghu_" + letters(36), "ghu_" + letters(19)},
      {"github-token", "ghs_" + letters(36), "ghs_" + letters(19)},
      {"github-token", "ghr_" + letters(36), "ghr_" + letters(19)},
      {"github-token", "github_pat_" + letters(82), "github_pat_" + letters(19)},
  };
}

std::vector<Example> service_examples() {
  return {
      {"gitlab-token", "glpat-" + letters(20), "glpat-" + letters(15)},
      {"gitlab-token", "gldt-" + letters(20), "gldt-" + letters(15)},
      {"gitlab-token", "glrt-" + letters(20), "glrt-" + letters(15)},
      {"slack-token", "xoxb-1234567890-" + letters(24), "xoxb-123"},
      {"slack-token", "xoxp-1234567890-" + letters(24), "xoxp-123"},
      {"slack-token", "xoxe.xoxb-1-" + letters(24), "xoxe.xoxb"},
      {"slack-token", "xapp-1-" + letters(24), "xapp-1"},
      {"slack-token", "hooks.slack.com/services/T0/B0/" + letters(24), "hooks.slack.com/services/T0"},
      {"stripe-key", "sk_live_" + letters(24), "sk_live_" + letters(15)},
      {"stripe-key", "sk_test_" + letters(24), "sk_test_" + letters(15)},
      {"stripe-key", "rk_live_" + letters(24), "rk_live_" + letters(15)},
      {"stripe-key", "rk_test_" + letters(24), "rk_test_" + letters(15)},
      {"stripe-key", "whsec_" + letters(24), "whsec_" + letters(15)},
      {"huggingface-key", "hf_" + letters(34), "hf_" + letters(19)},
      {"huggingface-key", "api_org_" + letters(34), "api_org_" + letters(19)},
      {"ai-provider-key", "gsk_" + letters(52), "gsk_" + letters(19)},
      {"ai-provider-key", "xai-" + letters(80), "xai-explainability-methods"},
      {"ai-provider-key", "pplx-" + letters(48), "pplx-" + letters(19)},
      {"ai-provider-key", "csk-" + letters(48), "csk-" + letters(19)},
      {"ai-provider-key", "r8_" + letters(37), "r8_" + letters(19)},
      {"ai-provider-key", "nvapi-" + letters(64), "nvapi-" + letters(19)},
      {"ai-provider-key", "tvly-" + letters(32), "tvly-" + letters(19)},
      {"ai-provider-key", "lsv2_pt_" + letters(32), "lsv2_pt_" + letters(19)},
      {"ai-provider-key", "lsv2_sk_" + letters(32), "lsv2_sk_" + letters(19)},
      {"service-token", "npm_" + letters(36), "npm_" + letters(29)},
      {"service-token", "pypi-" + letters(60), "pypi-" + letters(29)},
      {"service-token", "SG." + letters(22) + "." + letters(43), "SG." + letters(20)},
      {"service-token", "dapi" + hex(32), "dapi" + hex(31)},
      {"service-token", "dop_v1_" + hex(64), "dop_v1_" + hex(31)},
      {"service-token", "shpat_" + hex(32), "shpat_" + hex(31)},
      {"service-token", "hvs." + letters(24), "hvs." + letters(19)},
      {"service-token", "glsa_" + letters(32), "glsa_" + letters(19)},
      {"service-token", "PMAK-" + letters(24), "PMAK-" + letters(19)},
      {"azure-key", "AccountKey=" + letters(86) + "==", "AccountKey=" + letters(39)},
      {"azure-key", "SharedAccessKey=" + letters(43) + "=", "SharedAccessKey=" + letters(39)},
  };
}

std::vector<Example> grammar_examples() {
  return {
      {"jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + letters(43), "eyJhbGciOiJIUzI1NiJ9"},
      {"jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJhbGci.short"},
      {"private-key",
       "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + letters(99) + "\n-----END RSA PRIVATE KEY-----",
       "-----BEGIN PUBLIC KEY-----"},
      {"private-key", "-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN CERTIFICATE-----"},
      {"private-key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nxx\n-----END PGP PRIVATE KEY BLOCK-----",
       "-----BEGIN PRIVATE KEY----"},
      {"bearer-token", "Bearer " + letters(16), "Bearer " + letters(15)},
      {"bearer-token", "bearer\t" + letters(30) + "==", "the bearer of this message"},
      {"basic-auth", "Basic dXNlcjpwYXNz=", "Basic dXNlcjpwYXNz"},
      {"basic-auth", "Authorization: Basic dXNlcjpw", "Authorization: Basic dXNlcjp"},
      {"azure-key", "AccountKey=" + letters(40), "AccountKey"},
  };
}

std::vector<Example> examples() {
  std::vector<Example> all = provider_examples();
  for (const auto& more : {service_examples(), grammar_examples()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Secrets, OfEveryShapeAreReplaced) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.secret);
    const std::string marker = "[REDACTED:" + example.rule + "]";
    EXPECT_EQ(redacted(example.secret), marker);
    EXPECT_EQ(redacted("key: " + example.secret).substr(0, 5 + marker.size()), "key: " + marker);
    EXPECT_EQ(redacted("(" + example.secret + ", ").substr(0, 1 + marker.size()), "(" + marker);
    EXPECT_TRUE(holds_secret(example.secret));
  }
}

TEST(Secrets, ThatAreNearlySoStay) {
  for (const Example& example : examples()) {
    EXPECT_EQ(redacted(example.near_miss), example.near_miss);
    EXPECT_FALSE(holds_secret(example.near_miss));
  }
}

TEST(Secrets, InTheMiddleOfAWordAreNone) {
  for (const Example& example : examples()) {
    if (example.rule == "private-key") continue;
    EXPECT_EQ(redacted("x" + example.secret).substr(0, 2), "x" + example.secret.substr(0, 1))
        << example.secret;
  }
  for (const char* text :
       {"risk-assessment-of-the-new-model", "task-0123456789abcdef0", "the desk-0123456789abcdef",
        "https://example.org/path?page=12345", "ask_me-anything", "bearer authentication"}) {
    EXPECT_EQ(redacted(text), text);
  }
}

TEST(Secrets, BehindEscapesAreFound) {
  const std::string secret = "sk-" + letters(20);
  for (const std::string_view before :
       {R"(\n)", R"(\t)", R"(\u003d)", "%20", "%3D", "\x1b[31m", "\x1b[0m", "\x1b[1;32m", "é", "_"}) {
    EXPECT_EQ(redacted(std::string("word").append(before) + secret),
              std::string("word").append(before) + "[REDACTED:sk-key]")
        << before;
  }
  EXPECT_EQ(redacted("AKIA" + upper(16) + secret), "[REDACTED:aws-key][REDACTED:sk-key]")
      << "right behind another";
}

TEST(Secrets, InUrlsAreReplacedAndTheRestStays) {
  const std::vector<std::pair<std::string, std::string>> urls = {
      {"postgres://ann:hunter2@db:5432/x", "postgres://[REDACTED:url-credentials]@db:5432/x"},
      {"https://ann:p@ss@host/", "https://[REDACTED:url-credentials]@host/"},
      {"redis://:secret@host", "redis://[REDACTED:url-credentials]@host"},
      {"https://0123456789abcdef0123456789abcdef@sentry.example/1",
       "https://[REDACTED:url-credentials]@sentry.example/1"},
      {"ssh://git@example.org/x", "ssh://git@example.org/x"},
      {"https://example.org/a?b=ann@example.org", "https://example.org/a?b=ann@example.org"},
      {"https://x/?key=abcd&q=1", "https://x/?key=[REDACTED:url-key]&q=1"},
      {"https://x/?q=1&API_KEY=abcd#top", "https://x/?q=1&API_KEY=[REDACTED:url-key]#top"},
      {"/v1/x?access_token=abcdef", "/v1/x?access_token=[REDACTED:url-key]"},
      {"https://x/#access-token=abcdef", "https://x/#access-token=[REDACTED:url-key]"},
      {"https://x/?X-Amz-Signature=0123abcd", "https://x/?X-Amz-Signature=[REDACTED:url-key]"},
      {"https://x/?key=abc", "https://x/?key=abc"},
      {"https://x/?monkey=abcdef", "https://x/?monkey=abcdef"},
      {"https://x/?keyword=abcdef", "https://x/?keyword=abcdef"},
  };
  for (const auto& [url, expected] : urls) EXPECT_EQ(redacted(url), expected);
}

TEST(Secrets, ThatAreAssignedToTheirNamesAreReplaced) {
  const std::vector<std::pair<std::string, std::string>> texts = {
      {R"({"password": "hunter2!"})", R"({"password": "[REDACTED:named-secret]"})"},
      {R"({\"client_secret\":\"hunter2!\"})", R"({\"client_secret\":\"[REDACTED:named-secret]\"})"},
      {"host=db password=hunter2 user=x", "host=db password=[REDACTED:named-secret] user=x"},
      {"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "AWS_SECRET_ACCESS_KEY=[REDACTED:named-secret]"},
      {"apiKey = 'abcdef'", "apiKey = '[REDACTED:named-secret]'"},
      {R"("totp_secret":"JBSWY3DP")", R"("totp_secret":"[REDACTED:named-secret]")"},
      {"password: must have 12 characters", "password: must have 12 characters"},
      {R"("password": "four")", R"("password": "four")"},
      {"the secret is out", "the secret is out"},
      {"password_hint=my first dog", "password_hint=my first dog"},
  };
  for (const auto& [text, expected] : texts) EXPECT_EQ(redacted(text), expected);
}

TEST(Secrets, AreCountedByRule) {
  std::vector<std::uint32_t> hits(secret_rules().size());
  const std::string text = "sk-" + letters(20) + " sk-" + letters(20) + " ghp_" + letters(36);
  ASSERT_TRUE(redact(text, hits));
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const std::string_view rule = secret_rules()[i].name;
    EXPECT_EQ(hits[i], rule == "sk-key" ? 2U : rule == "github-token" ? 1U : 0U) << rule;
  }
}

TEST(Secrets, HaveNamesThatMarkThem) {
  for (const char* name : {"password", "PASSWORD", "client_secret", "clientSecret", "Set-Cookie", "x-api-key",
                           "mfa_seed", "db_password", "userPassword", "smtp-passwd"}) {
    EXPECT_TRUE(names_secret(name)) << name;
  }
  for (const char* name :
       {"", "pass", "password_hint", "secretary", "tokens", "key", "cookies", "nopassword"}) {
    EXPECT_FALSE(names_secret(name)) << name;
  }
}

/// The rules as text, one line a shape.
std::vector<std::string> compiled_lines() {
  std::vector<std::string> lines;
  for (const SecretShape& shape : secret_shapes()) {
    lines.push_back(shape.rule + "\t" + (shape.word_start ? "word start" : "anywhere") + "\t" +
                    shape.pattern);
  }
  return lines;
}

TEST(SecretRules, AreThoseOfTheTable) {
  std::ifstream file(std::string(SEALSTREAM_SOURCE_DIR) + "/schemas/secret-rules.tsv");
  std::vector<std::string> lines;
  bool names_version = false;
  for (std::string line; std::getline(file, line);) {
    names_version |= line == "# rules_version " + std::to_string(kRulesVersion);
    if (!line.starts_with('#')) lines.push_back(line);
  }
  EXPECT_EQ(lines, compiled_lines());
  EXPECT_TRUE(names_version) << "a change to the rules raises the rules version";
}

TEST(SecretRules, AllHaveAnExample) {
  std::set<std::string> tested = {"url-credentials", "url-key", "named-secret", "raw-key"};
  for (const Example& example : examples()) tested.insert(example.rule);
  for (const SecretRule& rule : secret_rules())
    EXPECT_TRUE(tested.contains(std::string(rule.name))) << rule.name;
}

/// The scan as schemas/secret-rules.tsv describes it, with the standard library's regular expressions.
class TableScan {
 public:
  TableScan() {
    for (const SecretShape& shape : secret_shapes()) {
      const bool any_case = shape.pattern.starts_with("(?i)");
      auto flags = std::regex::ECMAScript;
      if (any_case) flags |= std::regex::icase;
      shapes_.push_back({shape, std::regex(shape.pattern.substr(any_case ? 4 : 0), flags)});
    }
  }

  std::string redact(std::string text) const {
    for (int pass = 0; pass < 4; ++pass) {
      std::string next = redact_once(text);
      if (next == text) break;
      text = std::move(next);
    }
    return text;
  }

 private:
  struct Compiled {
    SecretShape shape;
    std::regex regex;
  };

  std::string redact_once(const std::string& text) const {
    std::string out;
    std::size_t copied = 0;
    std::size_t at = 0;
    while (at < text.size()) {
      std::size_t begin = 0;
      std::size_t end = 0;
      const SecretShape* shape = match(text, at, copied, begin, end);
      if (shape == nullptr) {
        ++at;
        continue;
      }
      out.append(text, copied, begin - copied).append("[REDACTED:" + shape->rule + "]");
      at = copied = end;
    }
    return out.append(text, copied);
  }

  const SecretShape* match(const std::string& text, std::size_t at, std::size_t last_end, std::size_t& begin,
                           std::size_t& end) const {
    const bool word_start = at == last_end || std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0;
    for (const auto& [shape, regex] : shapes_) {
      if (shape.word_start && !word_start) continue;
      std::smatch found;
      const auto from = text.begin() + static_cast<std::ptrdiff_t>(at);
      if (!std::regex_search(from, text.end(), found, regex, std::regex_constants::match_continuous))
        continue;
      std::size_t group = 0;
      for (std::size_t i = 1; i < found.size(); ++i) {
        if (found[i].matched) group = i;
      }
      begin = at + static_cast<std::size_t>(found.position(group));
      end = begin + static_cast<std::size_t>(found.length(group));
      const std::size_t marked = marker_length(std::string_view(text).substr(begin));
      if (marked == end - begin || (marked > 0 && shape.rule != "url-credentials")) continue;
      return &shape;
    }
    return nullptr;
  }

  std::vector<Compiled> shapes_;
};

/// Text glued from pieces that matter to the rules. No backslash, percent or escape: the table's word start
/// is richer than TableScan's.
std::string generated(std::mt19937& random) {
  static const std::vector<std::string> kPieces = [] {
    std::vector<std::string> pieces = {" ",
                                       "\n",
                                       "=",
                                       ":",
                                       "\"",
                                       "'",
                                       "@",
                                       "/",
                                       "://",
                                       "?",
                                       "&",
                                       "#",
                                       ".",
                                       "-",
                                       "_",
                                       "a",
                                       "B7",
                                       "word",
                                       "user:pass@",
                                       "key=",
                                       "password",
                                       "secret",
                                       "api_key",
                                       "token=",
                                       "Bearer ",
                                       "basic ",
                                       "eyJ",
                                       "-----BEGIN ",
                                       "PRIVATE KEY-----",
                                       "-----END "};
    for (const Example& example : examples()) {
      pieces.push_back(example.secret);
      pieces.push_back(example.near_miss);
      pieces.push_back(example.secret.substr(0, example.secret.size() / 2));
    }
    return pieces;
  }();
  std::string text;
  for (int count = std::uniform_int_distribution(1, 12)(random); count > 0; --count) {
    text += kPieces[std::uniform_int_distribution<std::size_t>(0, kPieces.size() - 1)(random)];
  }
  return text;
}

TEST(SecretRules, FindWhatTheirRegularExpressionsFind) {
  const TableScan table;
  std::mt19937 random(20261122);
  for (int i = 0; i < 2'000; ++i) {
    const std::string text = generated(random);
    ASSERT_EQ(redacted(text), table.redact(text)) << text;
  }
}

TEST(SecretRules, SuspectEveryStringOfADocumentThatHoldsASecret) {
  std::mt19937 random(20261125);
  std::size_t held = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::array<std::string, 3> strings = {generated(random), generated(random), generated(random)};
    std::string document = "[";
    std::vector<std::size_t> begins;
    for (std::string& text : strings) {
      std::erase(text, '"');
      begins.push_back(document.size() + 1);
      document.append("\"").append(text).append("\",");
    }
    SecretScan scan(document);
    auto suspicion = scan.next_suspicion();
    for (std::size_t part = 0; part < strings.size(); ++part) {
      if (suspicion && *suspicion < begins[part]) {
        scan.leave_out_to(begins[part]);
        suspicion = scan.next_suspicion();
      }
      if (!holds_secret(strings[part])) continue;
      ++held;
      ASSERT_TRUE(suspicion && *suspicion < begins[part] + strings[part].size()) << document;
    }
  }
  EXPECT_GT(held, 10'000U);
}

TEST(SecretRules, ChangeNothingTheSecondTime) {
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string once = redacted(generated(random));
    std::vector<std::uint32_t> hits(secret_rules().size());
    ASSERT_FALSE(redact(once, hits)) << once;
  }
}

/// Has a value decoded that holds `text` as a string, with escapes in front.
void decoded(const std::string& text) {
  std::string value = "{\"a\":\"";
  for (std::size_t i = 0; i < kMaxValueBytes / 24; ++i) value += "\\u0061";
  append_json_string(value, text.substr(0, text.size() / 8));
  value.erase(value.find('"', 6), 1);
  value += ",\"b\":";
  append_json_string(value, text.substr(0, text.size() / 16));
  value += "}";
  ASSERT_LE(value.size(), kMaxValueBytes);
  Record record{};
  record.key = "acme";
  record.value = value;
  Decoder decoder;
  const auto event = decoder.decode(record);
  ASSERT_EQ(event.refusal().reason, Reason::not_cloudevents);
}

TEST(SecretRules, TakeTimeLinearInTheText) {
  const auto repeated = [](std::string_view piece) {
    std::string text;
    while (text.size() < kMaxValueBytes) text += piece;
    return text;
  };
  for (const char* piece : {"eyJ-", "eyJ.", "eyJaaaaaaaa-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----",
                            "://a", "://:@", "?key=", "&a=", "password=", "password\"", "bearer ", "basic a",
                            "sk-", "[REDACTED:sk-key]", "\x1b[31msk-"}) {
    const std::string text = repeated(piece);
    const auto begin = std::chrono::steady_clock::now();
    redacted(text);
    decoded(text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << piece;
  }
}

}  // namespace
}  // namespace sealstream
