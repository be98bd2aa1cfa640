// What elements that write metadata share.
#pragma once

#include "nvdsmeta.h"

namespace standin {

class MetaLock {
public:
  explicit MetaLock(NvDsBatchMeta *batch) : batch_(batch) { nvds_acquire_meta_lock(batch_); }
  ~MetaLock() { nvds_release_meta_lock(batch_); }
  MetaLock(const MetaLock &) = delete;
  MetaLock &operator=(const MetaLock &) = delete;

private:
  NvDsBatchMeta *batch_;
};

/** Offsets of a text are unsigned: above the frame they are very large, as on the card. */
inline guint text_offset(float value) {
  constexpr float kFar = 1e9F;
  return value > -kFar && value < kFar ? static_cast<guint>(static_cast<gint64>(value)) : 0;
}

} // namespace standin
