#include "probe.h"

#include <gst-nvevent.h>

#include "batch_surface.h"
#include "clocks.h"

namespace sightline::app {
namespace {

/** The daemon refuses frames with more; a parser that gives so many is broken. */
constexpr std::size_t most_objects = 1000;
/** Encoders count in other units: a time stamp comes back rounded. */
constexpr std::int64_t same_frame_ns = 1'000'000;
/** Smaller ones are nothing to compare, and encoders fail at them. */
constexpr double least_crop_side = 16;

/** DeepStream's two kinds of rectangles name their sides alike. */
template <typename Sides> Box box_of(const Sides &box) {
  return {box.left, box.top, box.width, box.height};
}

const DetectConfig *choice_of(const CameraConfig &config, const std::string &model) {
  for (const auto &detect : config.detect)
    if (detect.model == model) return &detect;
  return nullptr;
}

/** Whether the camera asked for such an object. */
bool is_wanted(const DetectConfig &choice, std::string_view label, float score, double height) {
  if (score < choice.min_score || height < choice.min_size) return false;
  if (choice.classes.empty()) return true;
  return std::find(choice.classes.begin(), choice.classes.end(), label) != choice.classes.end();
}

} // namespace

Letterbox mux_letterbox(const Size &source, const Size &mux) {
  return {source, mux, Letterbox::Bands::centred};
}

void ShownFrames::add(const ShownFrame &frame, std::int64_t buffer_pts, std::int64_t received_mono_us) {
  const std::lock_guard lock(mutex_);
  known_.push_back({frame, buffer_pts, received_mono_us});
  if (known_.size() > most) known_.pop_front();
}

std::optional<ShownFrames::Known> ShownFrames::find(std::int64_t buffer_pts) {
  const std::lock_guard lock(mutex_);
  for (auto known = known_.rbegin(); known != known_.rend(); ++known)
    if (std::abs(known->buffer_pts - buffer_pts) < same_frame_ns) return *known;
  return std::nullopt;
}

BatchProbe::BatchProbe(const Settings &settings, CropJudge &judge, Outbox &outbox)
    : settings_(settings), judge_(judge), outbox_(outbox), encoder_(settings.gpu) {
  for (const auto &detector : settings.detectors)
    if (detector.kind == DetectorKind::centerface) landmarks_.emplace_back(detector);
}

void BatchProbe::watch(Camera &camera, CleanUnits &units) {
  if (cameras_.size() <= camera.source_id) cameras_.resize(camera.source_id + 1);
  cameras_[camera.source_id] = std::make_unique<ProbedCamera>(camera, units);
}

void BatchProbe::attach(GstPad *pad) {
  const int types = GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM;
  gst_pad_add_probe(pad, static_cast<GstPadProbeType>(types), on_data, this, nullptr);
}

GstPadProbeReturn BatchProbe::on_data(GstPad *, GstPadProbeInfo *info, gpointer self) {
  auto *probe = static_cast<BatchProbe *>(self);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0)
    probe->take(GST_PAD_PROBE_INFO_BUFFER(info));
  else
    probe->take_event(GST_PAD_PROBE_INFO_EVENT(info));
  return GST_PAD_PROBE_OK;
}

/** The end of one source comes as an event; its message on the bus comes only where a sink has it, and as often as there are
 * sinks. */
void BatchProbe::take_event(GstEvent *event) {
  const auto type = static_cast<unsigned>(GST_EVENT_TYPE(event));
  guint source = 0;
  if (type == static_cast<unsigned>(GST_NVEVENT_STREAM_EOS))
    gst_nvevent_parse_stream_eos(event, &source);
  else
    return;
  if (ProbedCamera *probed = camera(source)) probed->camera.ended = true;
}

void BatchProbe::take(GstBuffer *buffer) {
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  if (batch == nullptr) return;
  batch_us_.store(mono_us(), std::memory_order_relaxed);
  NvBufSurface *surface = batch_surface(buffer);
  // The crops' bytes are written into the records when all are encoded: they must not move before.
  std::vector<FrameRecord> records;
  records.reserve(batch->num_frames_in_batch);
  for (GList *at = batch->frame_meta_list; at != nullptr && records.size() < records.capacity(); at = at->next) {
    auto *frame = static_cast<NvDsFrameMeta *>(at->data);
    ProbedCamera *probed = camera(frame->source_id);
    if (probed == nullptr || frame->source_frame_width == 0 || frame->source_frame_height == 0) continue;
    records.push_back(begin(*probed, frame));
    FrameRecord &record = records.back();
    const Size picture{static_cast<double>(settings_.mux.width), static_cast<double>(settings_.mux.height)};
    const Letterbox mux = mux_letterbox(
        {static_cast<double>(frame->source_frame_width), static_cast<double>(frame->source_frame_height)}, picture);
    take_objects(*probed, frame, record, mux);
    join_faces(*probed, record);
    if (!record.predicted && surface != nullptr) ask_crops(*probed, frame, record, mux, surface);
    record.ended_tracks = probed->tracks.take_ended(record.media_ms);
  }
  encoder_.finish();
  for (auto &record : records) {
    Camera &camera = cameras_[settings_.cameras[record.camera].source_id]->camera;
    for (auto &object : record.objects) {
      if (!object.crop) continue;
      const bool is_cut = !object.crop->jpeg.empty();
      (is_cut ? camera.crops_cut : camera.crops_refused).fetch_add(1, std::memory_order_relaxed);
      if (!is_cut) object.crop.reset();
    }
  }
  if (!records.empty()) outbox_.push(std::move(records));
}

FrameRecord BatchProbe::begin(ProbedCamera &probed, const NvDsFrameMeta *frame) {
  Camera &camera = probed.camera;
  const auto now_us = mono_us();
  const auto pts = static_cast<std::int64_t>(frame->buf_pts);
  const auto received_us = camera.arrivals.take(pts).value_or(now_us);
  if (camera.reopened.exchange(false)) probed.times.restart();
  const auto clock = probed.times.next(
      {pts, received_us, wall_us() - (now_us - received_us), static_cast<std::int64_t>(frame->ntp_timestamp / 1000)});
  if (clock.begins) {
    probed.generation += 1;
    probed.sequence = 0;
    probed.tracks.clear();
    probed.media_before_ms += probed.media_ms;
  }
  probed.media_ms = clock.media_ms;
  camera.width.store(frame->source_frame_width, std::memory_order_relaxed);
  camera.height.store(frame->source_frame_height, std::memory_order_relaxed);
  camera.sender_clock.store(frame->ntp_timestamp != 0, std::memory_order_relaxed);
  camera.media_ms.store(probed.media_before_ms + clock.media_ms, std::memory_order_relaxed);
  camera.seen_us.store(now_us, std::memory_order_relaxed);
  camera.through_us.store(received_us, std::memory_order_relaxed);
  camera.frames_seen.fetch_add(1, std::memory_order_relaxed);
  const bool looked = frame->bInferDone != FALSE;
  if (looked) camera.frames_detected.fetch_add(1, std::memory_order_relaxed);
  // The multiplexer numbers a source's frames one by one; it may begin again.
  if (probed.last_number >= 0 && frame->frame_num > probed.last_number + 1)
    camera.frames_dropped.fetch_add(static_cast<std::uint64_t>(frame->frame_num - probed.last_number - 1),
                                    std::memory_order_relaxed);
  probed.last_number = frame->frame_num;
  const ShownFrame shown{probed.generation, clock.pts, clock.camera_time_us};
  probed.shown.add(shown, pts, received_us);
  probed.units.shown(shown);
  return {camera.index,
          probed.generation,
          probed.sequence++,
          clock.pts,
          clock.media_ms,
          received_us,
          clock.camera_time_us,
          clock.rtcp,
          frame->source_frame_width,
          frame->source_frame_height,
          !looked,
          {},
          received_us,
          looked ? now_us : 0,
          {},
          camera.live};
}

const DetectorSettings *BatchProbe::detector_of(const NvDsObjectMeta *object) const {
  for (const auto &detector : settings_.detectors)
    if (detector.unique_id == object->unique_component_id) return &detector;
  return nullptr;
}

void BatchProbe::take_objects(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux) {
  const Size source{static_cast<double>(record.width), static_cast<double>(record.height)};
  const Size picture{static_cast<double>(settings_.mux.width), static_cast<double>(settings_.mux.height)};
  std::vector<std::vector<FoundFace>> faces;
  if (!record.predicted)
    for (const auto &landmarks : landmarks_) faces.push_back(landmarks.find(frame, mux, picture));
  for (GList *at = frame->obj_meta_list; at != nullptr; at = at->next) {
    if (record.objects.size() == most_objects) {
      probed.camera.objects_left_out.fetch_add(g_list_length(at), std::memory_order_relaxed);
      break;
    }
    auto *object = static_cast<NvDsObjectMeta *>(at->data);
    object->misc_obj_info[0] = 0;
    if (object->object_id == UNTRACKED_OBJECT_ID) continue;
    // Below zero it is the tracker's own: boxes that no detector gave are no evidence on a frame that one looked at.
    const bool detected = object->confidence >= 0 && !record.predicted;
    if (!detected) {
      Track *track = probed.tracks.known(object->object_id, record.media_ms);
      if (track == nullptr) continue;
      object->misc_obj_info[0] = track->id;
      const auto box = clipped(mux.back(box_of(object->rect_params)), source);
      if (record.predicted && box)
        record.objects.push_back({track->id, track->label, track->model, track->score, *box, std::nullopt, track->person, {}});
      continue;
    }
    const DetectorSettings *detector = detector_of(object);
    if (detector == nullptr || object->class_id < 0) continue;
    const auto classId = static_cast<std::size_t>(object->class_id);
    const DetectConfig *choice = choice_of(probed.camera.config, detector->model);
    if (choice == nullptr || classId >= detector->labels.size()) continue;
    const auto &given = object->detector_bbox_info.org_bbox_coords;
    const Box whole = mux.back(given.width > 0 ? box_of(given) : box_of(object->rect_params));
    const auto box = clipped(whole, source);
    const float score = std::min(object->confidence, 1.0F);
    const std::string_view label = detector->labels[classId];
    if (!box || !is_wanted(*choice, label, score, box->height)) continue;
    const Track &track = probed.tracks.seen(object->object_id, label, detector->model, score, record.media_ms);
    object->misc_obj_info[0] = track.id;
    std::optional<FivePoints> points;
    for (std::size_t i = 0; i < faces.size() && !points; i += 1)
      if (landmarks_[i].unique_id() == detector->unique_id) points = Landmarks::points_of(whole, faces[i]);
    record.objects.push_back({track.id, label, detector->model, score, *box, points, track.person, {}});
  }
}

void BatchProbe::join_faces(ProbedCamera &probed, FrameRecord &record) {
  if (record.predicted) return;
  std::vector<Person> persons;
  for (const auto &object : record.objects)
    if (object.label == "person") persons.push_back({object.track_id, object.box});
  for (auto &object : record.objects) {
    if (object.label != "face") continue;
    object.person_track_id = join_face(object.box, persons, object.person_track_id).value_or(0);
    probed.tracks.set_person(object.track_id, object.person_track_id);
  }
}

void BatchProbe::ask_crops(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux,
                           NvBufSurface *surface) {
  const Size source{static_cast<double>(record.width), static_cast<double>(record.height)};
  const CameraConfig &config = probed.camera.config;
  for (auto &object : record.objects) {
    const double visible = visible_share(object.landmarks, source);
    if (!judge_.may_want(record.camera, object, visible, record.media_ms)) continue;
    const auto cut = place_crop(crop_rect(object.box, object.landmarks, source), mux, source, config.max_side);
    if (!cut || cut->pixels.width < least_crop_side || cut->pixels.height < least_crop_side) continue;
    const double x = cut->width / cut->rect.width;
    const double y = cut->height / cut->rect.height;
    SeenCrop crop{"", cut->rect, cut->width, cut->height, {}, object.landmarks, visible, std::nullopt};
    crop.box = {(object.box.left - cut->rect.left) * x, (object.box.top - cut->rect.top) * y, object.box.width * x,
                object.box.height * y};
    if (crop.landmarks)
      for (auto &point : *crop.landmarks) point = {(point.x - cut->rect.left) * x, (point.y - cut->rect.top) * y};
    object.crop = std::move(crop);
    encoder_.add(surface, frame, *cut, config.jpeg_quality, &object.crop->jpeg);
  }
}

} // namespace sightline::app
