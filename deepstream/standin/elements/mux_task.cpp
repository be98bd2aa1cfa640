#include <chrono>
#include <vector>

#include "control.h"
#include "gst-nvevent.h"
#include "gst-nvmessage.h"
#include "mux.h"
#include "mux_batch.h"

namespace standin {

namespace {

/** A multiplexer that is stuck is stuck: neither frames nor a change of state get past it. */
void wait_while_stuck() {
  while (control_number("/mux/stuckPad").has_value()) g_usleep(20 * G_TIME_SPAN_MILLISECOND);
}

/** Memory that grows with each batch; written to, or the system would not count it. */
void grow() {
  static auto *kept = new std::vector<std::vector<char>>();
  const auto bytes = control_number("/mux/leakBytesPerBatch");
  if (bytes.value_or(0) > 0) kept->emplace_back(static_cast<size_t>(*bytes), 1);
}

/** Waits until a batch is due, or an event. False when the task has to leave. */
bool wait_for_batch(Mux *mux, std::unique_lock<std::mutex> *hold) {
  const size_t most = mux->properties.uint(kBatchSize);
  const gint timeout = mux->properties.integer(kTimeout);
  const auto urgent = [mux] {
    return mux->flushing || !mux->farewells.empty() || mux->inputs.any_event() || (!mux->ended && mux->inputs.all_ended());
  };
  const auto due = [&] { return urgent() || mux->inputs.batch_full(most); };
  mux->changed.wait(*hold, [&] { return urgent() || mux->inputs.any_frame(); });
  if (timeout < 0) {
    mux->changed.wait(*hold, due);
  } else {
    mux->changed.wait_for(*hold, std::chrono::microseconds(timeout), due);
  }
  return !mux->flushing;
}

/** What an event changes here; true when it goes on downstream. */
bool apply(Mux *mux, MuxInput *input, GstEvent *event) {
  switch (static_cast<guint>(GST_EVENT_TYPE(event))) {
  case GST_EVENT_CAPS: {
    GstCaps *caps = nullptr;
    gst_event_parse_caps(event, &caps);
    gst_video_info_from_caps(&input->info, caps);
    drop_scaler(input);
    if (mux->format != GST_VIDEO_FORMAT_UNKNOWN) return false;
    mux->format = GST_VIDEO_INFO_FORMAT(&input->info);
    mux->colorimetry = gst_video_colorimetry_to_string(&input->info.colorimetry);
    return false;
  }
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment(event, &input->segment);
    return false;
  case GST_NVEVENT_STREAM_EOS:
    if (mux->properties.flag(kResetOnEos)) input->frame_number = 0;
    return true;
  case GST_NVEVENT_STREAM_RESET:
    if (mux->properties.flag(kResetOnReset)) input->frame_number = 0;
    return true;
  default:
    return true;
  }
}

/** Events whose turn has come, in order. The end of a stream is told twice: as an event, and as a message that sinks post. */
std::vector<GstEvent *> events_due(Mux *mux) {
  std::vector<GstEvent *> due(mux->farewells.begin(), mux->farewells.end());
  mux->farewells.clear();
  for (auto &[index, input] : mux->inputs.all()) {
    while (!input.queue.empty() && input.queue.front().event != nullptr) {
      GstEvent *event = input.queue.front().event;
      input.queue.pop_front();
      if (!apply(mux, &input, event)) {
        gst_event_unref(event);
        continue;
      }
      due.push_back(event);
      if (GST_EVENT_TYPE(event) != static_cast<GstEventType>(GST_NVEVENT_STREAM_EOS)) continue;
      GstMessage *message = gst_nvmessage_new_stream_eos(GST_OBJECT(mux->element), index);
      due.push_back(gst_event_new_sink_message("stream-eos", message));
      gst_message_unref(message);
    }
  }
  return due;
}

GstBufferPool *pool_of(Mux *mux) {
  if (mux->pool != nullptr) return mux->pool;
  SurfaceSpec spec;
  spec.batch = mux->properties.uint(kBatchSize);
  spec.width = mux->properties.uint(kWidth);
  spec.height = mux->properties.uint(kHeight);
  spec.format = color_format(mux->format).value_or(NVBUF_COLOR_FORMAT_NV12);
  spec.memory = static_cast<NvBufSurfaceMemType>(mux->properties.choice(kMemoryType));
  if (control_flag("/mux/surfaceArray")) spec.memory = NVBUF_MEM_SURFACE_ARRAY;
  spec.gpu = mux->properties.uint(kGpuId);
  mux->pool = nvmm_pool_new(spec, mux->properties.uint(kPoolSize));
  return mux->pool;
}

void send_start(Mux *mux) {
  gst_pad_push_event(mux->src, gst_event_new_stream_start("nvstreammux"));
  const char *format =
      gst_video_format_to_string(mux->format == GST_VIDEO_FORMAT_UNKNOWN ? GST_VIDEO_FORMAT_NV12 : mux->format);
  GstCaps *caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT,
                                      static_cast<gint>(mux->properties.uint(kWidth)), "height", G_TYPE_INT,
                                      static_cast<gint>(mux->properties.uint(kHeight)), "framerate", GST_TYPE_FRACTION, 30, 1,
                                      "batch-size", G_TYPE_INT, static_cast<gint>(mux->properties.uint(kBatchSize)),
                                      "num-surfaces-per-frame", G_TYPE_INT, 1, nullptr);
  if (mux->colorimetry != nullptr) gst_caps_set_simple(caps, "colorimetry", G_TYPE_STRING, mux->colorimetry, nullptr);
  gst_caps_set_features(caps, 0, gst_caps_features_new(kNvmmFeature, nullptr));
  gst_pad_push_event(mux->src, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(mux->src, gst_event_new_segment(&segment));
}

/** The frames of this turn. The queues have room again. */
std::vector<Taken> take_turn(Mux *mux) {
  std::vector<Taken> taken;
  for (const uint32_t index : mux->inputs.turn(mux->properties.uint(kBatchSize))) {
    MuxInput *input = mux->inputs.find(index);
    GstBuffer *buffer = input->queue.front().buffer;
    const bool again = source_number(index, "duplicateFrame") == static_cast<int64_t>(input->frames);
    if (again) {
      gst_buffer_ref(buffer);
    } else {
      input->queue.pop_front();
    }
    taken.push_back({index, input, buffer});
  }
  mux->changed.notify_all();
  return taken;
}

void stop_with(Mux *mux, GstFlowReturn flow) {
  {
    const std::lock_guard<std::mutex> hold(mux->mutex);
    mux->flow = flow;
    mux->changed.notify_all();
  }
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS) GST_ELEMENT_FLOW_ERROR(mux->element, flow);
  gst_pad_pause_task(mux->src);
}

/** The next batch out of a buffer of the pool, filled without the lock: inputs that go away wait until it is (`filling`). */
GstFlowReturn send_batch(Mux *mux, GstBufferPool *pool) {
  // Waits while all buffers are downstream: whoever holds them holds everybody up, as on the card.
  GstBuffer *batch = nullptr;
  const GstFlowReturn got = gst_buffer_pool_acquire_buffer(pool, &batch, nullptr);
  if (got != GST_FLOW_OK) return got;
  std::unique_lock<std::mutex> hold(mux->mutex);
  const std::vector<Taken> taken = take_turn(mux);
  mux->filling = true;
  hold.unlock();
  const BatchSettings settings{static_cast<int>(mux->properties.uint(kWidth)), static_cast<int>(mux->properties.uint(kHeight)),
                               mux->properties.flag(kPadding), mux->properties.flag(kAttachSysTs)};
  const bool filled = taken.empty() || fill_batch(batch, taken, mux->properties.uint(kBatchSize), settings);
  for (const Taken &one : taken) gst_buffer_unref(one.buffer);
  hold.lock();
  mux->filling = false;
  mux->changed.notify_all();
  hold.unlock();
  if (taken.empty() || !filled) {
    gst_buffer_unref(batch);
    return filled ? GST_FLOW_OK : GST_FLOW_NOT_SUPPORTED;
  }
  grow();
  return gst_pad_push(mux->src, batch);
}

} // namespace

void mux_task(gpointer data) {
  auto *mux = static_cast<Mux *>(data);
  wait_while_stuck();
  std::unique_lock<std::mutex> hold(mux->mutex);
  if (!wait_for_batch(mux, &hold)) {
    hold.unlock();
    gst_pad_pause_task(mux->src);
    return;
  }
  const std::vector<GstEvent *> events = events_due(mux);
  const bool end = mux->inputs.all_ended() && !mux->ended && !mux->properties.flag(kDropEos);
  if (end) mux->ended = true;
  GstBufferPool *pool = events.empty() && mux->inputs.any_frame() ? pool_of(mux) : nullptr;
  hold.unlock();

  if ((pool != nullptr || !events.empty() || end) && !mux->started) {
    mux->started = true;
    send_start(mux);
  }
  for (GstEvent *event : events) gst_pad_push_event(mux->src, event);
  if (end) gst_pad_push_event(mux->src, gst_event_new_eos());
  if (pool == nullptr) return;
  const GstFlowReturn flow = send_batch(mux, pool);
  if (flow != GST_FLOW_OK) stop_with(mux, flow);
}

void mux_set_flushing(Mux *mux, bool flushing) {
  const std::lock_guard<std::mutex> hold(mux->mutex);
  mux->flushing = flushing;
  if (mux->pool != nullptr) gst_buffer_pool_set_flushing(mux->pool, flushing ? TRUE : FALSE);
  mux->changed.notify_all();
}

void mux_reset(Mux *mux) {
  const std::lock_guard<std::mutex> hold(mux->mutex);
  mux->inputs.clear();
  for (GstEvent *event : mux->farewells) gst_event_unref(event);
  mux->farewells.clear();
  if (mux->pool != nullptr) {
    gst_buffer_pool_set_active(mux->pool, FALSE);
    gst_object_unref(mux->pool);
    mux->pool = nullptr;
  }
  mux->flow = GST_FLOW_OK;
  mux->started = mux->ended = false;
  mux->format = GST_VIDEO_FORMAT_UNKNOWN;
  g_clear_pointer(&mux->colorimetry, g_free);
}

} // namespace standin
