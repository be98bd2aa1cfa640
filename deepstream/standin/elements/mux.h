// The multiplexer without its GStreamer shell: what its inputs bring, and the task that makes batches of it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "mux_pads.h"
#include "properties.h"

namespace standin {

enum MuxProperty {
  kBatchSize = 1,
  kWidth,
  kHeight,
  kTimeout,
  kLiveSource,
  kPadding,
  kPoolSize,
  kMemoryType,
  kGpuId,
  kAttachSysTs,
  kFrameDuration,
  kSyncInputs,
  kMaxLatency,
  kDropEos,
  kResetOnEos,
  kResetOnReset,
};

struct Mux {
  Mux(const PropertyTable &specs, GstElement *owner, GstPad *out) : properties(specs), element(owner), src(out) {}

  Properties properties;
  GstElement *element;
  GstPad *src;
  std::mutex mutex;
  std::condition_variable changed;
  MuxInputs inputs;
  /** Events of inputs that were released, for the task to send. */
  std::deque<GstEvent *> farewells;
  bool flushing = true;
  /** Frames of inputs are being copied. */
  bool filling = false;
  bool ended = false;
  GstFlowReturn flow = GST_FLOW_OK;
  GstBufferPool *pool = nullptr;
  // The task's own.
  bool started = false;
  /** The first input's, for all. */
  GstVideoFormat format = GST_VIDEO_FORMAT_UNKNOWN;
  gchar *colorimetry = nullptr;
};

/** One turn of the source pad's task. */
void mux_task(gpointer mux);
/** Lets everybody go who waits for a frame, for room or for a buffer. */
void mux_set_flushing(Mux *mux, bool flushing);
/** As new, when no task runs. */
void mux_reset(Mux *mux);

} // namespace standin
