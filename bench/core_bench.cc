// What one event costs on one core, stage by stage. No server, no clock: bytes in, bytes out.
//
// | benchmark | an iteration is |
// |---|---|
// | decode    | one record of about 850 bytes: parse, validate, map to columns, scan every string for secrets
// | | scan      | the scan alone, over the record's value as raw bytes | | canonical | the row record R of
// one decoded row | | blake2b   | BLAKE2b-512 of 700 bytes | | seal      | source digest, commitment, row
// record and checksum of one row | | encode    | one sealed row in PostgreSQL's binary COPY format | | all |
// decode, seal and encode, as a lane does it | | verify    | checksum and commitment of one row as it is
// stored, as `sealstream verify` does it |
//
// Run: build/release/bench/core_bench [--benchmark_format=json]. items_per_second is events a second on one
// core.
#include <benchmark/benchmark.h>

#include <cassert>
#include <iterator>
#include <string>
#include <vector>

#include "postgres/copy_rows.h"
#include "sealstream/core/chain.h"
#include "sealstream/core/event.h"
#include "sealstream/core/secrets.h"

namespace {

using namespace sealstream;

constexpr int kEvents = 2'000;
constexpr int kTenants = 200;
constexpr std::int64_t kNow = 1'793'491'200;  // 2026-11-01

/// A record with the bytes that it views: a completed call of a language model, in the binary Kafka mode.
class SampleRecord {
 public:
  explicit SampleRecord(int number) {
    const std::string n = std::to_string(100'000 + number);
    tenant_ = "tenant-" + std::to_string(number % kTenants);
    value_ =
        R"({"actor":{"type":"user","id":"user-)" + n + R"(","email":"user)" + n +
        R"(@example.com"},"department_id":"research","session_id":"session-)" + n +
        R"(","client":{"type":"sdk","ip":"192.0.2.17","user_agent":"openai-python/1.51.0"},"status":"success",)"
        R"("operation":"chat","provider":"anthropic","model":"claude-sonnet-4-20250514","route":"/v1/messages",)"
        R"("response_id":"msg_01XFDUDYJgAACzvnptvVoYEL","usage":{"input_tokens":1204,"output_tokens":318,)"
        R"("total_tokens":1522,"cache_read_tokens":1024,"basis":"exclusive"},"cost_usd":0.00022500000000000002,)"
        R"("latency_ms":812,"ttft_ms":95,"stream":true,"http_status":200,"finish_reasons":["end_turn"],)"
        R"("policies_hit":[{"policy_id":"pii-basic","verdict":"allow","severity":"low"}],)"
        R"("input_summary":"Summarise the attached incident report for the weekly review.",)"
        R"("digest":{"alg":"sha256","request":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}})";
    names_and_values_ = {{"ce_specversion", "1.0"},
                         {"ce_id", "01JD0000000000000000" + n},
                         {"ce_source", "llm-gateway"},
                         {"ce_type", "audit.llm_call.completed.v1"},
                         {"ce_time", "2026-10-31T23:59:59.847371Z"},
                         {"ce_tenantid", tenant_},
                         {"content-type", "application/json"}};
    for (const auto& [name, text] : names_and_values_) headers_.push_back({name, text});
    offset_ = Offset(number);
  }
  SampleRecord(const SampleRecord&) = delete;
  SampleRecord(SampleRecord&&) = delete;

  Record record() const {
    return {"audit.events.v1", LogEpoch(0), Partition(3), offset_, Timestamp(std::chrono::seconds(kNow)),
            tenant_,           value_,      headers_};
  }
  std::string_view value() const { return value_; }

 private:
  std::string tenant_;
  std::string value_;
  std::vector<std::pair<std::string, std::string>> names_and_values_;
  std::vector<Header> headers_;
  Offset offset_;
};

const std::vector<std::unique_ptr<SampleRecord>>& records() {
  static const auto made = [] {
    std::vector<std::unique_ptr<SampleRecord>> out;
    for (int i = 0; i < kEvents; ++i) out.push_back(std::make_unique<SampleRecord>(i));
    return out;
  }();
  return made;
}

const Keyring& keyring() {
  static const Keyring made({KeyEntry{"2026q4", Timestamp(), PersonalKey{1, 2, 3}}});
  return made;
}

Event decoded(Decoder& decoder, const Record& record) {
  Result<Event> event = decoder.decode(record);
  if (!event.ok()) throw std::logic_error("the sample is refused: " + event.refusal().message);
  return std::move(event.value());
}

struct Sealed {
  Event event;
  Seq seq;
  Checksum prev;
  Checksum checksum;
};

Sealed sealed(Sealer& sealer, Event event, const Record& record, Head& head) {
  sealer.identify(record, event.tenant, event.row);
  const Checksum prev = head.checksum;
  const Checksum checksum = sealer.seal(event.tenant, record.timestamp, event.row, head);
  return {std::move(event), head.seq, prev, checksum};
}

/// All sample events, sealed into one chain.
const std::vector<Sealed>& sealed_events() {
  static const auto made = [] {
    std::vector<Sealed> out;
    Decoder decoder;
    Sealer sealer(keyring());
    Head head;
    for (const auto& sample : records()) {
      const Record record = sample->record();
      out.push_back(sealed(sealer, decoded(decoder, record), record, head));
    }
    return out;
  }();
  return made;
}

void count(benchmark::State& state, std::size_t bytes_an_event) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes_an_event));
}

void decode(benchmark::State& state) {
  Decoder decoder;
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decoded(decoder, records()[i++ % kEvents]->record()));
  }
  count(state, records()[0]->value().size());
}
BENCHMARK(decode);

void scan(benchmark::State& state) {
  std::vector<std::uint32_t> hits(secret_rules().size());
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(redact(records()[i++ % kEvents]->value(), hits));
  }
  count(state, records()[0]->value().size());
}
BENCHMARK(scan);

void canonical(benchmark::State& state) {
  const auto& events = sealed_events();
  std::string out;
  std::size_t i = 0;
  for (auto _ : state) {
    const Sealed& sealed = events[i++ % kEvents];
    out.clear();
    append_row_record(out, sealed.event.tenant, sealed.seq, sealed.prev, sealed.event.row);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, out.size());
}
BENCHMARK(canonical);

void blake2b(benchmark::State& state) {
  Blake2b hash;
  const std::string message(700, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(hash.update(message).finish());
  count(state, message.size());
}
BENCHMARK(blake2b);

void seal(benchmark::State& state) {
  Decoder decoder;
  Sealer sealer(keyring());
  std::vector<Event> events;
  for (const auto& sample : records()) events.push_back(decoded(decoder, sample->record()));
  std::size_t i = 0;
  Head head;
  Row row;
  for (auto _ : state) {
    const Event& event = events[i % kEvents];
    const Record record = records()[i++ % kEvents]->record();
    row = event.row;  // keeps its memory; sealing the same row again and again would let it grow
    sealer.identify(record, event.tenant, row);
    benchmark::DoNotOptimize(sealer.seal(event.tenant, record.timestamp, row, head));
  }
  count(state, records()[0]->value().size());
}
BENCHMARK(seal);

void append_row(CopyBuffer& out, const Sealed& sealed) {
  if (out.bytes().size() > 8'000'000) out.clear();
  append_copy_row(out, {sealed.event.tenant, sealed.seq, &sealed.event.row, sealed.prev, sealed.checksum});
}

void encode(benchmark::State& state) {
  const auto& events = sealed_events();
  CopyBuffer out;
  std::size_t i = 0;
  for (auto _ : state) append_row(out, events[i++ % kEvents]);
  count(state, records()[0]->value().size());
}
BENCHMARK(encode);

void all(benchmark::State& state) {
  Decoder decoder;
  Sealer sealer(keyring());
  Head head;
  CopyBuffer out;
  std::size_t i = 0;
  for (auto _ : state) {
    const Record record = records()[i++ % kEvents]->record();
    append_row(out, sealed(sealer, decoded(decoder, record), record, head));
  }
  count(state, records()[0]->value().size());
}
BENCHMARK(all);

void verify(benchmark::State& state) {
  const auto& events = sealed_events();
  Sealer sealer(keyring());
  const KeyEntry& key = *keyring().find("2026q4");
  std::size_t i = 0;
  for (auto _ : state) {
    const Sealed& stored = events[i++ % kEvents];
    const Row& row = stored.event.row;
    const bool same = sealer.checksum(stored.event.tenant, stored.seq, stored.prev, row) == stored.checksum &&
                      as_bytes(*sealer.commitment(key, stored.event.tenant, stored.event.id, row)) ==
                          row.bytes(Column::personal_commitment);
    if (!same) state.SkipWithError("a sealed row does not verify");
  }
  count(state, records()[0]->value().size());
}
BENCHMARK(verify);

}  // namespace

BENCHMARK_MAIN();
