// Metas as the card's pools hand them out, but less forgiving: what is given back is poisoned and kept for a while, so that who
// still reads it reads nonsense every time and not only sometimes; what is given back twice, or never, ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>

#include "nvdsmeta.h"

namespace standin {

constexpr unsigned char kPoison = 0xDB;

[[noreturn]] inline void broken(const char *what, const char *kind) {
  std::fprintf(stderr, "standin: %s (%s)\n", what, kind);
  std::abort();
}

template <typename T> class Pool {
public:
  explicit Pool(const char *kind, NvDsMetaType type) : kind_(kind), type_(type) {}

  T *take(NvDsBatchMeta *batch) {
    auto *slot = new Slot();
    slot->meta.base_meta.batch_meta = batch;
    slot->meta.base_meta.meta_type = type_;
    g_rec_mutex_lock(&batch->meta_mutex);
    ++batch->standin_taken;
    g_rec_mutex_unlock(&batch->meta_mutex);
    return &slot->meta;
  }

  /** Dies unless `meta` is one of this pool's that is in use. */
  void must_live(const T *meta) const {
    if (meta == nullptr) broken("a null meta was handed over", kind_);
    const auto *slot = reinterpret_cast<const Slot *>(meta);
    if (slot->state == kGiven) broken("a meta is used after it was given back", kind_);
    if (slot->state != kTaken) broken("a meta that is not of this pool is used", kind_);
  }

  void give_back(T *meta) {
    must_live(meta);
    NvDsBatchMeta *batch = meta->base_meta.batch_meta;
    g_rec_mutex_lock(&batch->meta_mutex);
    --batch->standin_taken;
    g_rec_mutex_unlock(&batch->meta_mutex);
    auto *slot = reinterpret_cast<Slot *>(meta);
    std::memset(static_cast<void *>(meta), kPoison, sizeof(T));
    slot->state = kGiven;
    const std::lock_guard<std::mutex> hold(mutex_);
    given_.push_back(slot);
    if (given_.size() > kKept) {
      delete given_.front();
      given_.pop_front();
    }
  }

private:
  static constexpr uint64_t kTaken = 0x6e65746b61746d21;
  static constexpr uint64_t kGiven = 0x6e65766967746d21;
  static constexpr std::size_t kKept = 64;
  // The meta is first: its address is the slot's.
  struct Slot {
    T meta{};
    uint64_t state = kTaken;
  };

  const char *kind_;
  NvDsMetaType type_;
  std::mutex mutex_;
  std::deque<Slot *> given_;
};

} // namespace standin
