#include "postgres/acceptance.h"

#include "postgres/reading.h"

namespace sealstream {

std::optional<LogEpoch> accept_loss(Connection& as_operator, const Acceptance& acceptance,
                                    const std::function<void()>& say) {
  return reading(as_operator, [&]() -> std::optional<LogEpoch> {
    const auto answers = as_operator.run_pipeline(
        {{"BEGIN ISOLATION LEVEL READ COMMITTED"},
         {"SET LOCAL lock_timeout = '3s'"},
         {"SELECT audit.accept_loss($1, $2, $3, $4, $5, $6, $7, $8)",
          {Parameter::text(acceptance.id.topic), Parameter::int4(acceptance.id.partition.value()),
           Parameter::int8(acceptance.log_epoch.value()), Parameter::int8(acceptance.next_offset.value()),
           Parameter::int8(acceptance.lost), Parameter::int8(acceptance.go_on_at.value()),
           Parameter::text(acceptance.reason), Parameter::text(acceptance.event_id)}}});
    if (is_null(answers[2], 0, 0)) {
      as_operator.rollback();
      return std::nullopt;
    }
    try {
      say();
    } catch (...) {
      as_operator.rollback();
      throw;
    }
    as_operator.run_one({"COMMIT"});
    return LogEpoch(int8_at(answers[2], 0, 0));
  });
}

}  // namespace sealstream
