// Text of ours that goes beside a refused record. It must never be what the server refuses: nothing would be
// left to quarantine.
#pragma once

#include <string>
#include <string_view>

namespace sealstream {

/// `text` with '?' in place of NUL and of every byte that is not part of valid UTF-8.
std::string kept_text(std::string_view text);

}  // namespace sealstream
