#pragma once

#include <gst/gst.h>
#include <memory>
#include <vector>

#include "camera.h"
#include "clean_units.h"
#include "crop_encoder.h"
#include "crop_judge.h"
#include "frame_times.h"
#include "join.h"
#include "landmarks.h"
#include "outbox.h"
#include "settings.h"
#include "track_ids.h"
#include "unit_clock.h"

namespace sightline::app {

/** When frames of a camera were taken, by the buffer time stamp that they have downstream. */
class ShownFrames {
public:
  void add(const ShownFrame &frame, std::int64_t buffer_pts, std::int64_t received_mono_us);
  struct Known {
    ShownFrame frame;
    std::int64_t buffer_pts;
    std::int64_t received_mono_us;
  };
  std::optional<Known> find(std::int64_t buffer_pts);

private:
  static constexpr std::size_t most = 256;
  std::mutex mutex_;
  std::deque<Known> known_;
};

/** A camera as the probe has it. */
struct ProbedCamera {
  ProbedCamera(Camera &its_camera, CleanUnits &its_units) : camera(its_camera), units(its_units), times(its_camera.live) {}

  Camera &camera;
  CleanUnits &units;
  ShownFrames shown;
  FrameTimes times;
  TrackIds tracks;
  std::uint32_t generation = 0;
  std::uint64_t sequence = 0;
  /** As the multiplexer counts; below zero before the first. */
  int last_number = -1;
  double media_before_ms = 0;
  double media_ms = 0;
};

/**
 * On the pad behind the tracker: copies of every batch what the daemon is told, makes the crops, and lets the buffer go on. It
 * waits for nothing but the crop encoder, and writes one number into each object: its track's, for whoever draws.
 */
class BatchProbe {
public:
  BatchProbe(const Settings &settings, CropJudge &judge, Outbox &outbox);

  /** Before the pipeline runs. */
  void watch(Camera &camera, CleanUnits &units);
  void attach(GstPad *pad);
  ProbedCamera *camera(unsigned source_id) const { return source_id < cameras_.size() ? cameras_[source_id].get() : nullptr; }
  /** When the latest batch came; 0: none has. */
  std::int64_t batch_us() const { return batch_us_.load(std::memory_order_relaxed); }

private:
  static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  void take(GstBuffer *buffer);
  void take_event(GstEvent *event);
  FrameRecord begin(ProbedCamera &probed, const NvDsFrameMeta *frame);
  void take_objects(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux);
  void join_faces(ProbedCamera &probed, FrameRecord &record);
  void ask_crops(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux, NvBufSurface *surface);
  const DetectorSettings *detector_of(const NvDsObjectMeta *object) const;

  const Settings &settings_;
  CropJudge &judge_;
  Outbox &outbox_;
  std::vector<Landmarks> landmarks_;
  CropEncoder encoder_;
  std::vector<std::unique_ptr<ProbedCamera>> cameras_;
  std::atomic<std::int64_t> batch_us_ = 0;
};

/** How a source's picture lies in the multiplexer's. UNCONFIRMED: that the card's multiplexer puts it in the middle. */
Letterbox mux_letterbox(const Size &source, const Size &mux);

} // namespace sightline::app
