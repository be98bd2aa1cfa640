// One batch: the frames of a turn in one buffer of surfaces, with their metadata.
#pragma once

#include <cstdint>
#include <vector>

#include "mux_pads.h"

namespace standin {

struct BatchSettings {
  int width, height;
  bool padding;
  /** The host's clock at the multiplexer as ntp_timestamp, not the camera's. */
  bool attach_sys_ts;
};

/** A frame that was taken out of its queue. Owned by whoever holds it. */
struct Taken {
  uint32_t source;
  MuxInput *input;
  GstBuffer *buffer;
};

/** Fills `batch` (a buffer of surfaces) with the frames; false when one of them is not the card's memory. */
bool fill_batch(GstBuffer *batch, const std::vector<Taken> &frames, guint max_frames, const BatchSettings &settings);

} // namespace standin
