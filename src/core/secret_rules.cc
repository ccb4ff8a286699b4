// Which shapes a secret can have. The order of a rule's lines is the order in which they are tried.
#include "core/secret_rules.h"

#include <algorithm>
#include <array>

#include "core/secret_shapes.h"

namespace sealstream {
namespace {

constexpr std::array kRules = {
    SecretRule{"anthropic-key"},   SecretRule{"openai-key"},      SecretRule{"sk-key"},
    SecretRule{"platform-key"},    SecretRule{"aws-key"},         SecretRule{"google-key"},
    SecretRule{"github-token"},    SecretRule{"gitlab-token"},    SecretRule{"slack-token"},
    SecretRule{"stripe-key"},      SecretRule{"huggingface-key"}, SecretRule{"ai-provider-key"},
    SecretRule{"service-token"},   SecretRule{"azure-key"},       SecretRule{"jwt"},
    SecretRule{"private-key"},     SecretRule{"bearer-token"},    SecretRule{"basic-auth"},
    SecretRule{"url-credentials"}, SecretRule{"url-key"},         SecretRule{"named-secret"},
    SecretRule{"raw-key"},
};

constexpr std::size_t rule(std::string_view name) {
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (kRules[i].name == name) return i;
  }
  throw "no such rule";
}

constexpr std::size_t kOpenAi = rule("openai-key");
constexpr std::size_t kPlatform = rule("platform-key");
constexpr std::size_t kAws = rule("aws-key");
constexpr std::size_t kGoogle = rule("google-key");
constexpr std::size_t kGitHub = rule("github-token");
constexpr std::size_t kGitLab = rule("gitlab-token");
constexpr std::size_t kSlack = rule("slack-token");
constexpr std::size_t kStripe = rule("stripe-key");
constexpr std::size_t kHuggingFace = rule("huggingface-key");
constexpr std::size_t kAiProvider = rule("ai-provider-key");
constexpr std::size_t kService = rule("service-token");
constexpr std::size_t kAzure = rule("azure-key");

using enum Body;

constexpr std::array kShapes = {
    // rule, begins with, then, at least
    Shape{rule("anthropic-key"), "sk-ant-", word, 16},
    Shape{kOpenAi, "sk-proj-", word, 16},
    Shape{kOpenAi, "sk-svcacct-", word, 16},
    Shape{kOpenAi, "sk-admin-", word, 16},
    Shape{rule("sk-key"), "sk-", word, 16},
    Shape{kPlatform, "msys_", word, 16},
    Shape{kPlatform, "muser_", word, 16},
    Shape{kPlatform, "msvc_", word, 16},
    Shape{kPlatform, "mint_", word, 16},
    Shape{kPlatform, "memg_", word, 16},
    Shape{kAws, "AKIA", upper, 16},
    Shape{kAws, "ASIA", upper, 16},
    Shape{kAws, "ABIA", upper, 16},
    Shape{kAws, "ACCA", upper, 16},
    Shape{kGoogle, "AIza", word, 30},
    Shape{kGoogle, "ya29.", token, 20},
    Shape{kGoogle, "GOCSPX-", word, 20},
    Shape{kGitHub, "ghp_", word, 20},
    Shape{kGitHub, "gho_", word, 20},
    Shape{kGitHub, "ghu_", word, 20},
    Shape{kGitHub, "ghs_", word, 20},
    Shape{kGitHub, "ghr_", word, 20},
    Shape{kGitHub, "github_pat_", word, 20},
    Shape{kGitLab, "glpat-", token, 16},
    Shape{kGitLab, "gldt-", token, 16},
    Shape{kGitLab, "glrt-", token, 16},
    Shape{kSlack, "xoxa-", token, 16},
    Shape{kSlack, "xoxb-", token, 16},
    Shape{kSlack, "xoxc-", token, 16},
    Shape{kSlack, "xoxd-", token, 16},
    Shape{kSlack, "xoxe-", token, 16},
    Shape{kSlack, "xoxe.", token, 16},
    Shape{kSlack, "xoxp-", token, 16},
    Shape{kSlack, "xoxr-", token, 16},
    Shape{kSlack, "xoxs-", token, 16},
    Shape{kSlack, "xapp-", token, 16},
    Shape{kSlack, "hooks.slack.com/services/", token, 16},
    Shape{kStripe, "sk_live_", word, 16},
    Shape{kStripe, "sk_test_", word, 16},
    Shape{kStripe, "rk_live_", word, 16},
    Shape{kStripe, "rk_test_", word, 16},
    Shape{kStripe, "whsec_", token, 16},
    Shape{kHuggingFace, "hf_", alnum, 20},
    Shape{kHuggingFace, "api_org_", alnum, 20},
    Shape{kAiProvider, "gsk_", alnum, 20},
    Shape{kAiProvider, "xai-", alnum, 20},
    Shape{kAiProvider, "pplx-", alnum, 20},
    Shape{kAiProvider, "csk-", alnum, 20},
    Shape{kAiProvider, "r8_", alnum, 20},
    Shape{kAiProvider, "nvapi-", word, 20},
    Shape{kAiProvider, "tvly-", word, 20},
    Shape{kAiProvider, "lsv2_pt_", word, 20},
    Shape{kAiProvider, "lsv2_sk_", word, 20},
    Shape{kService, "npm_", alnum, 30},
    Shape{kService, "pypi-", word, 30},
    Shape{kService, "SG.", token, 30},
    Shape{kService, "dapi", hex, 32},
    Shape{kService, "dop_v1_", hex, 32},
    Shape{kService, "shpat_", hex, 32},
    Shape{kService, "hvs.", word, 20},
    Shape{kService, "glsa_", word, 20},
    Shape{kService, "PMAK-", word, 20},
    Shape{kAzure, "AccountKey=", token, 40},
    Shape{kAzure, "SharedAccessKey=", token, 40},
    Shape{rule("jwt"), "eyJ", jwt, 0},
    Shape{rule("private-key"), "-----BEGIN ", private_key, 0},
    Shape{rule("bearer-token"), "bearer", bearer, 0},
    Shape{rule("basic-auth"), "basic", basic, 0},
    Shape{rule("basic-auth"), "authorization:", basic_header, 0},
    Shape{rule("url-credentials"), "://", url_credentials, 0},
    Shape{rule("url-key"), "?", url_key, 0},
    Shape{rule("url-key"), "&", url_key, 0},
    Shape{rule("url-key"), "#", url_key, 0},
    Shape{rule("named-secret"), "", named_secret, 0},
};

std::string all_markers() {
  std::string markers;
  for (const SecretRule& rule : kRules) markers.append("[REDACTED:").append(rule.name).append("]");
  return markers;
}

std::array<std::string_view, kRules.size()> split_markers() {
  static const std::string kText = all_markers();
  std::array<std::string_view, kRules.size()> markers;
  std::size_t begin = 0;
  for (std::string_view& marker : markers) {
    const std::size_t end = kText.find(']', begin) + 1;
    marker = std::string_view(kText).substr(begin, end - begin);
    begin = end;
  }
  return markers;
}

}  // namespace

std::span<const SecretRule> secret_rules() { return kRules; }
std::span<const Shape> compiled_shapes() { return kShapes; }

std::size_t named_secret_rule() { return rule("named-secret"); }
std::size_t raw_key_rule() { return rule("raw-key"); }

std::string_view marker(std::size_t rule) {
  static const auto kMarkers = split_markers();
  return kMarkers[rule];
}

std::size_t marker_length(std::string_view text) {
  if (!text.starts_with("[REDACTED:")) return 0;
  for (std::size_t rule = 0; rule < kRules.size(); ++rule) {
    if (text.starts_with(marker(rule))) return marker(rule).size();
  }
  return 0;
}

std::vector<SecretShape> secret_shapes() {
  std::vector<SecretShape> shapes;
  shapes.reserve(kShapes.size());
  for (const Shape& shape : kShapes) {
    shapes.push_back({std::string(kRules[shape.rule].name), needs_word_start(shape.body), pattern(shape)});
  }
  return shapes;
}

}  // namespace sealstream
