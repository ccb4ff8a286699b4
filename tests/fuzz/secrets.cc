// The scan for secrets, over any bytes. What was redacted holds no secret any more, and is not redacted
// again; whether there is one, and which rules replaced it, is said alike.
#include "sealstream/core/secrets.h"

#include <numeric>
#include <vector>

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealstream;
  const std::string_view text = fuzz::Input(data, size).all();
  std::vector<std::uint32_t> hits(secret_rules().size());
  const std::optional<std::string> redacted = redact(text, hits);
  fuzz::demand(holds_secret(text) == redacted.has_value(),
               "what holds a secret is redacted, and nothing else");
  fuzz::demand((std::accumulate(hits.begin(), hits.end(), 0U) > 0) == redacted.has_value(),
               "a redaction is counted");
  if (redacted) fuzz::demand(!holds_secret(*redacted), "nothing is found in what was redacted");
  return 0;
}
