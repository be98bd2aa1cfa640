#include "probe.h"

#include <gst-nvevent.h>

#include "clocks.h"

namespace sightline::app {
namespace {

/** The daemon refuses frames with more; a parser that gives so many is broken. */
constexpr std::size_t mostObjects = 1000;
/** Encoders count in other units: a time stamp comes back rounded. */
constexpr std::int64_t sameFrameNs = 1'000'000;
/** Smaller ones are nothing to compare, and encoders fail at them. */
constexpr double leastCropSide = 16;

Box boxOf(const NvBbox_Coords &box) {
  return {box.left, box.top, box.width, box.height};
}
Box boxOf(const NvOSD_RectParams &box) {
  return {box.left, box.top, box.width, box.height};
}

const DetectConfig *choiceOf(const CameraConfig &config, const std::string &model) {
  for (const auto &detect : config.detect)
    if (detect.model == model) return &detect;
  return nullptr;
}

/** Whether the camera asked for such an object. */
bool isWanted(const DetectConfig &choice, std::string_view label, float score, double height) {
  if (score < choice.minScore || height < choice.minSize) return false;
  if (choice.classes.empty()) return true;
  return std::find(choice.classes.begin(), choice.classes.end(), label) != choice.classes.end();
}

} // namespace

Letterbox muxLetterbox(const Size &source, const Size &mux) {
  return {source, mux, Letterbox::Bands::centred};
}

void ShownFrames::add(const ShownFrame &frame, std::int64_t bufferPts, std::int64_t receivedMonoUs) {
  const std::lock_guard lock(mutex_);
  known_.push_back({frame, bufferPts, receivedMonoUs});
  if (known_.size() > most) known_.pop_front();
}

std::optional<ShownFrames::Known> ShownFrames::find(std::int64_t bufferPts) {
  const std::lock_guard lock(mutex_);
  for (auto known = known_.rbegin(); known != known_.rend(); ++known)
    if (std::abs(known->bufferPts - bufferPts) < sameFrameNs) return *known;
  return std::nullopt;
}

BatchProbe::BatchProbe(const Settings &settings, CropJudge &judge, Outbox &outbox)
    : settings_(settings), judge_(judge), outbox_(outbox), encoder_(settings.gpu) {
  for (const auto &detector : settings.detectors)
    if (detector.kind == DetectorKind::centerface) landmarks_.emplace_back(detector);
}

void BatchProbe::watch(Camera &camera, CleanUnits &units) {
  if (cameras_.size() <= camera.sourceId) cameras_.resize(camera.sourceId + 1);
  cameras_[camera.sourceId] = std::make_unique<ProbedCamera>(camera, units);
}

void BatchProbe::attach(GstPad *pad) {
  const int types = GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM;
  gst_pad_add_probe(pad, static_cast<GstPadProbeType>(types), onData, this, nullptr);
}

GstPadProbeReturn BatchProbe::onData(GstPad *, GstPadProbeInfo *info, gpointer self) {
  auto *probe = static_cast<BatchProbe *>(self);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0)
    probe->take(GST_PAD_PROBE_INFO_BUFFER(info));
  else
    probe->takeEvent(GST_PAD_PROBE_INFO_EVENT(info));
  return GST_PAD_PROBE_OK;
}

/** The end of one source comes as an event; its message on the bus comes only where a sink has it, and as often as there are
 * sinks. */
void BatchProbe::takeEvent(GstEvent *event) {
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
  batchUs_.store(monoUs(), std::memory_order_relaxed);
  NvBufSurface *surface = nullptr;
  {
    // Mapped, a batch is the description of its surfaces, which stands as long as the buffer.
    const MappedBuffer mapped(buffer);
    if (mapped) surface = reinterpret_cast<NvBufSurface *>(const_cast<guint8 *>(mapped.data()));
  }
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
    const Letterbox mux = muxLetterbox(
        {static_cast<double>(frame->source_frame_width), static_cast<double>(frame->source_frame_height)}, picture);
    takeObjects(*probed, frame, record, mux);
    joinFaces(*probed, record);
    if (!record.predicted && surface != nullptr) askCrops(*probed, frame, record, mux, surface);
    record.endedTracks = probed->tracks.takeEnded(record.mediaMs);
  }
  encoder_.finish();
  for (auto &record : records) {
    for (auto &object : record.objects) {
      if (!object.crop || !object.crop->jpeg.empty()) continue;
      cameras_[settings_.cameras[record.camera].sourceId]->camera.cropsRefused.fetch_add(1, std::memory_order_relaxed);
      object.crop.reset();
    }
    outbox_.push(std::move(record));
  }
}

FrameRecord BatchProbe::begin(ProbedCamera &probed, const NvDsFrameMeta *frame) {
  Camera &camera = probed.camera;
  const auto nowUs = monoUs();
  const auto pts = static_cast<std::int64_t>(frame->buf_pts);
  const auto receivedUs = camera.arrivals.take(pts).value_or(nowUs);
  if (camera.reopened.exchange(false)) probed.times.restart();
  const auto clock = probed.times.next(
      {pts, receivedUs, wallUs() - (nowUs - receivedUs), static_cast<std::int64_t>(frame->ntp_timestamp / 1000)});
  if (clock.begins) {
    probed.generation += 1;
    probed.sequence = 0;
    probed.tracks.clear();
    probed.mediaBeforeMs += probed.mediaMs;
  }
  probed.mediaMs = clock.mediaMs;
  camera.width.store(frame->source_frame_width, std::memory_order_relaxed);
  camera.height.store(frame->source_frame_height, std::memory_order_relaxed);
  camera.senderClock.store(frame->ntp_timestamp != 0, std::memory_order_relaxed);
  camera.mediaMs.store(probed.mediaBeforeMs + clock.mediaMs, std::memory_order_relaxed);
  camera.seenUs.store(nowUs, std::memory_order_relaxed);
  camera.framesSeen.fetch_add(1, std::memory_order_relaxed);
  const bool looked = frame->bInferDone != FALSE;
  if (looked) camera.framesDetected.fetch_add(1, std::memory_order_relaxed);
  const ShownFrame shown{probed.generation, clock.pts, clock.cameraTimeUs};
  probed.shown.add(shown, pts, receivedUs);
  probed.units.shown(shown);
  return {camera.index,
          probed.generation,
          probed.sequence++,
          clock.pts,
          clock.mediaMs,
          receivedUs,
          clock.cameraTimeUs,
          clock.rtcp,
          frame->source_frame_width,
          frame->source_frame_height,
          !looked,
          {},
          receivedUs,
          looked ? nowUs : 0,
          {},
          camera.live};
}

const DetectorSettings *BatchProbe::detectorOf(const NvDsObjectMeta *object) const {
  for (const auto &detector : settings_.detectors)
    if (detector.uniqueId == object->unique_component_id) return &detector;
  return nullptr;
}

void BatchProbe::takeObjects(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux) {
  const Size source{static_cast<double>(record.width), static_cast<double>(record.height)};
  const Size picture{static_cast<double>(settings_.mux.width), static_cast<double>(settings_.mux.height)};
  std::vector<std::vector<FoundFace>> faces;
  if (!record.predicted)
    for (const auto &landmarks : landmarks_) faces.push_back(landmarks.find(frame, mux, picture));
  for (GList *at = frame->obj_meta_list; at != nullptr && record.objects.size() < mostObjects; at = at->next) {
    auto *object = static_cast<NvDsObjectMeta *>(at->data);
    object->misc_obj_info[0] = 0;
    if (object->object_id == UNTRACKED_OBJECT_ID) continue;
    // Below zero it is the tracker's own: boxes that no detector gave are no evidence on a frame that one looked at.
    const bool detected = object->confidence >= 0 && !record.predicted;
    if (!detected) {
      Track *track = probed.tracks.known(object->object_id, record.mediaMs);
      if (track == nullptr) continue;
      object->misc_obj_info[0] = track->id;
      const auto box = clipped(mux.back(boxOf(object->rect_params)), source);
      if (record.predicted && box)
        record.objects.push_back({track->id, track->label, track->model, track->score, *box, std::nullopt, track->person, {}});
      continue;
    }
    const DetectorSettings *detector = detectorOf(object);
    if (detector == nullptr || object->class_id < 0) continue;
    const auto classId = static_cast<std::size_t>(object->class_id);
    const DetectConfig *choice = choiceOf(probed.camera.config, detector->model);
    if (choice == nullptr || classId >= detector->labels.size()) continue;
    const NvBbox_Coords &given = object->detector_bbox_info.org_bbox_coords;
    const Box whole = mux.back(given.width > 0 ? boxOf(given) : boxOf(object->rect_params));
    const auto box = clipped(whole, source);
    const float score = std::min(object->confidence, 1.0F);
    const std::string_view label = detector->labels[classId];
    if (!box || !isWanted(*choice, label, score, box->height)) continue;
    const Track &track = probed.tracks.seen(object->object_id, label, detector->model, score, record.mediaMs);
    object->misc_obj_info[0] = track.id;
    std::optional<FivePoints> points;
    for (std::size_t i = 0; i < faces.size() && !points; i += 1)
      if (landmarks_[i].uniqueId() == detector->uniqueId) points = Landmarks::pointsOf(whole, faces[i]);
    record.objects.push_back({track.id, label, detector->model, score, *box, points, track.person, {}});
  }
}

void BatchProbe::joinFaces(ProbedCamera &probed, FrameRecord &record) {
  if (record.predicted) return;
  std::vector<Person> persons;
  for (const auto &object : record.objects)
    if (object.label == "person") persons.push_back({object.trackId, object.box});
  for (auto &object : record.objects) {
    if (object.label != "face") continue;
    object.personTrackId = joinFace(object.box, persons, object.personTrackId).value_or(0);
    probed.tracks.setPerson(object.trackId, object.personTrackId);
  }
}

void BatchProbe::askCrops(ProbedCamera &probed, NvDsFrameMeta *frame, FrameRecord &record, const Letterbox &mux,
                          NvBufSurface *surface) {
  const Size source{static_cast<double>(record.width), static_cast<double>(record.height)};
  const CameraConfig &config = probed.camera.config;
  for (auto &object : record.objects) {
    const double visible = visibleShare(object.landmarks, source);
    if (!judge_.mayWant(record.camera, object, visible, record.mediaMs)) continue;
    const auto cut = placeCrop(cropRect(object.box, object.landmarks, source), mux, source, config.maxSide);
    if (!cut || cut->pixels.width < leastCropSide || cut->pixels.height < leastCropSide) continue;
    const double x = cut->width / cut->rect.width;
    const double y = cut->height / cut->rect.height;
    SeenCrop crop{"", cut->rect, cut->width, cut->height, {}, object.landmarks, visible, std::nullopt};
    crop.box = {(object.box.left - cut->rect.left) * x, (object.box.top - cut->rect.top) * y, object.box.width * x,
                object.box.height * y};
    if (crop.landmarks)
      for (auto &point : *crop.landmarks) point = {(point.x - cut->rect.left) * x, (point.y - cut->rect.top) * y};
    object.crop = std::move(crop);
    encoder_.add(surface, frame, *cut, config.jpegQuality, &object.crop->jpeg);
  }
}

} // namespace sightline::app
