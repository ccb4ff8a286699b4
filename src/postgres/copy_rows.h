// Sealed rows in PostgreSQL's binary COPY format (PostgreSQL's manual, "COPY", "Binary Format").
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// Bytes that are written once and kept for the next batch: its memory stays, and is not cleared.
class CopyBuffer {
 public:
  void clear() { used_ = 0; }
  std::string_view bytes() const { return std::string_view(memory_).substr(0, used_); }
  /// Room for `count` more bytes; `advance` says how many were written.
  char* room(std::size_t count) {
    if (memory_.size() - used_ < count) memory_.resize(memory_.size() * 2 + count);
    return memory_.data() + used_;
  }
  void advance(std::size_t count) { used_ += count; }

 private:
  std::string memory_;
  std::size_t used_ = 0;
};

/// The columns of the ledger in the order that append_copy_row writes, comma-separated.
const std::string& copy_columns();

/// Starts a COPY: the header. Precondition: `out` is empty.
void append_copy_header(CopyBuffer& out);
/// Appends one tuple. Copies the row's canonical bytes; only timestamps, decimals and JSON differ.
void append_copy_row(CopyBuffer& out, const SealedRow& row);
void append_copy_trailer(CopyBuffer& out);

/// The rows of one leaf, ready to send.
struct LeafRows {
  std::string leaf;  ///< its name, without the schema
  Timestamp moment;  ///< one that lies in its month
  CopyBuffer buffer;
};

/// Rows by leaf, encoded. Keeps its buffers from batch to batch: a lane's ledger owns one.
class CopyRows {
 public:
  /// Encodes `rows`, all of them whole: tenants by the bytes of their names, a tenant's rows in their order.
  /// So two writers of the same tenants wait for one another at the first of them, and never in a circle.
  /// Precondition: every row holds event_id and recorded_at.
  void encode(const std::vector<SealedRow>& rows);
  /// The leaves in the order in which `rows` named them first. Dies with the next encode.
  const std::vector<const LeafRows*>& leaves() const { return used_; }

 private:
  void ask_ahead(std::size_t at) const;
  LeafRows& leaf_of(Timestamp recorded_at);

  std::vector<std::unique_ptr<LeafRows>> kept_;
  std::vector<const LeafRows*> used_;
  std::vector<const SealedRow*> sorted_;
  LeafRows* last_ = nullptr;
  Timestamp last_begin_, last_end_;
};

}  // namespace sealstream
