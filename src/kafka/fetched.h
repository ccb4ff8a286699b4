// From librdkafka's messages to records.
#pragma once

#include <string_view>

#include "kafka/handle.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// The record in a message without an error. Borrows `topic`.
FetchedRecord fetched(Message message, std::string_view topic);

}  // namespace sealstream
