#include "postgres/read_models.h"

#include "postgres/numeric.h"
#include "sealstream/core/key_uses.h"
#include "sealstream/core/usage.h"

namespace sealstream {
namespace {

void add_numeric(ArrayParameter& array, Int128 units, int places = 0) {
  char bytes[kNumericBytesBound];
  array.add({bytes, write_numeric(bytes, units, places)});
}

void add_column(ArrayParameter& array, const Row& row, Column column) {
  array.add_or_null(row.has(column) ? std::optional(row.bytes(column)) : std::nullopt);
}

/// cost_usd keeps no zeros at its end, so that its text does not depend on how rows were cut into batches.
Statement usage_statement(const Usage& usage) {
  ArrayParameter tenant(PgType::text), department(PgType::text), user(PgType::text), provider(PgType::text),
      model(PgType::text), route(PgType::text), hour(PgType::timestamptz), requests(PgType::int8),
      errors(PgType::int8), input(PgType::numeric), output(PgType::numeric), total(PgType::numeric),
      read(PgType::numeric), written(PgType::numeric), reasoning(PgType::numeric), cost(PgType::numeric);
  for (const auto* entry : usage.sorted()) {
    const auto& [key, sums] = *entry;
    tenant.add(key.tenant);
    department.add(key.department);
    user.add(key.user);
    provider.add(key.provider);
    model.add(key.model);
    route.add(key.route);
    hour.add_timestamp(key.hour);
    requests.add_int8(sums.requests);
    errors.add_int8(sums.errors);
    add_numeric(input, sums.input_tokens);
    add_numeric(output, sums.output_tokens);
    add_numeric(total, sums.total_tokens);
    add_numeric(read, sums.cache_read_tokens);
    add_numeric(written, sums.cache_write_tokens);
    add_numeric(reasoning, sums.reasoning_tokens);
    add_numeric(cost, sums.cost, kMoneyPlaces);
  }
  return {R"(INSERT INTO audit.usage_records AS u
  (tenant_id, department_id, user_id, provider, model, route, time_bucket, requests, errors, input_tokens,
   output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::timestamptz[], $8::bigint[], $9::bigint[], $10::numeric[], $11::numeric[],
                     $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[], $16::numeric[])
ON CONFLICT (tenant_id, department_id, user_id, provider, model, route, time_bucket) DO UPDATE SET
  requests = u.requests + excluded.requests, errors = u.errors + excluded.errors,
  input_tokens = u.input_tokens + excluded.input_tokens,
  output_tokens = u.output_tokens + excluded.output_tokens,
  total_tokens = u.total_tokens + excluded.total_tokens,
  cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
  cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
  reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens,
  cost_usd = trim_scale(u.cost_usd + excluded.cost_usd))",
          finish(tenant, department, user, provider, model, route, hour, requests, errors, input, output,
                 total, read, written, reasoning, cost)};
}

/// Where another event said a key's hash, prefix or type, the column is not NULL and stays.
Statement key_uses_statement(const KeyUses& uses) {
  ArrayParameter tenant(PgType::text), key(PgType::text), count(PgType::int8), last_at(PgType::timestamptz),
      last_ip(PgType::inet), hash(PgType::text), prefix(PgType::text), type(PgType::text);
  for (const auto* entry : uses.sorted()) {
    const auto& [id, use] = *entry;
    tenant.add(id.tenant);
    key.add(id.key_id);
    count.add_int8(use.count);
    last_at.add_timestamp(use.last_at);
    last_ip.add_or_null(use.last_ip);
    hash.add_or_null(use.key_hash);
    prefix.add_or_null(use.key_prefix);
    type.add_or_null(use.key_type);
  }
  return {R"(INSERT INTO audit.api_keys AS k
  (tenant_id, key_id, usage_count, last_used_at, last_used_ip, key_hash, key_prefix, key_type)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::inet[], $6::text[],
                     $7::text[], $8::text[])
ON CONFLICT (tenant_id, key_id) DO UPDATE SET
  usage_count = k.usage_count + excluded.usage_count,
  last_used_at = greatest(k.last_used_at, excluded.last_used_at),
  last_used_ip = CASE WHEN k.last_used_at > excluded.last_used_at THEN k.last_used_ip
                      ELSE excluded.last_used_ip END,
  key_hash = coalesce(k.key_hash, excluded.key_hash),
  key_prefix = coalesce(k.key_prefix, excluded.key_prefix),
  key_type = coalesce(k.key_type, excluded.key_type))",
          finish(tenant, key, count, last_at, last_ip, hash, prefix, type)};
}

Statement key_events_statement(const std::vector<const SealedRow*>& events) {
  ArrayParameter tenant(PgType::text), key(PgType::text), time(PgType::timestamptz), action(PgType::text),
      hash(PgType::text), prefix(PgType::text), type(PgType::text), actor_type(PgType::text),
      user(PgType::text), on_behalf_of(PgType::text), detail(PgType::text), personal_detail(PgType::text);
  for (const auto* sealed : events) {
    const Row& row = *sealed->row;
    tenant.add(sealed->tenant);
    key.add(row.bytes(Column::key_id));
    time.add_timestamp(row.timestamp_value(Column::event_time));
    action.add(row.bytes(Column::action));
    add_column(hash, row, Column::key_hash);
    add_column(prefix, row, Column::key_prefix);
    add_column(type, row, Column::key_type);
    add_column(actor_type, row, Column::actor_type);
    add_column(user, row, Column::user_id);
    add_column(on_behalf_of, row, Column::on_behalf_of);
    add_column(detail, row, Column::detail);
    add_column(personal_detail, row, Column::personal_detail);
  }
  return {R"(SELECT audit.note_key_events($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[],
  $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]))",
          finish(tenant, key, time, action, hash, prefix, type, actor_type, user, on_behalf_of, detail,
                 personal_detail)};
}

}  // namespace

std::vector<Statement> read_model_statements(const std::vector<SealedRow>& rows) {
  Usage usage(rows.size());
  KeyUses uses;
  std::vector<const SealedRow*> events;
  for (const auto& sealed : rows) {
    usage.add(sealed.tenant, *sealed.row);
    if (is_key_use(*sealed.row)) {
      uses.add(sealed.tenant, *sealed.row);
    } else if (is_key_event(*sealed.row)) {
      events.push_back(&sealed);
    }
  }
  std::vector<Statement> statements;
  if (!usage.empty()) statements.push_back(usage_statement(usage));
  if (!uses.empty()) statements.push_back(key_uses_statement(uses));
  if (!events.empty()) statements.push_back(key_events_statement(events));
  return statements;
}

}  // namespace sealstream
