// probe_bench INFER-CENTERFACE.TXT: what the program's probe adds to a batch. The probe itself, on batches as the elements
// leave them: metadata of 16 sources with three persons and two faces each, CenterFace's output tensors, and a picture where
// crops are cut. For bench/deepstream-probe.ts, which is told in one line of JSON on stdout.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <gst/gst.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include <gstnvdsinfer.h>
#include <gstnvdsmeta.h>

#include "clocks.h"
#include "messages.h"
#include "probe.h"
#include "surface.h"

using namespace sightline::app;

namespace {

constexpr guint sources = 16;
constexpr int persons = 3;
constexpr int faces = 2;
constexpr guint width = 1920;
constexpr guint height = 1080;
constexpr int yolo_id = 2;
constexpr int centerface_id = 1;
constexpr int face_class = 1;
constexpr std::int64_t frame_ns = 40'000'000;
constexpr std::size_t batches = 2000;
constexpr std::size_t batches_with_crops = 200;
constexpr std::size_t warm_batches = 100;

/** Of this thread: what others do on the machine is not counted. */
double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Rectangle {
  float left, top, width, height;
};

Rectangle person_at(int person, std::uint64_t number) {
  return {static_cast<float>(60 + person * 600 + number % 100), static_cast<float>(120 + person * 40), 220, 640};
}

Rectangle face_at(int face, std::uint64_t number) {
  const Rectangle body = person_at(face, number);
  return {body.left + 60, body.top + 20, 96, 128};
}

/** CenterFace's outputs for a frame: around each face a blob of cells above the least score, as the network gives it. */
class Tensors {
public:
  Tensors() {
    const std::array<unsigned, 4> channels{1, 2, 2, 10};
    const std::array<const char *, 4> names{"537", "538", "539", "540"};
    for (std::size_t i = 0; i < channels.size(); i += 1) {
      maps_[i].assign(std::size_t{channels[i]} * rows * columns, 0.01F);
      layers_[i].dataType = FLOAT;
      layers_[i].inferDims = {3, {channels[i], rows, columns}, channels[i] * rows * columns};
      layers_[i].layerName = names[i];
      buffers_[i] = maps_[i].data();
    }
    meta_.unique_id = centerface_id;
    meta_.num_output_layers = channels.size();
    meta_.output_layers_info = layers_.data();
    meta_.out_buf_ptrs_host = buffers_.data();
    meta_.network_info = {columns * 4, rows * 4, 3};
  }

  void put(std::uint64_t number) {
    std::fill(maps_[0].begin(), maps_[0].end(), 0.01F);
    for (int face = 0; face < faces; face += 1) put(face_at(face, number));
  }
  NvDsInferTensorMeta *meta() { return &meta_; }

private:
  static constexpr unsigned rows = 96;
  static constexpr unsigned columns = 160;

  void put(const Rectangle &face) {
    const double x = (face.left + face.width / 2) * columns / ::width;
    const double y = (face.top + face.height / 2) * rows / ::height;
    const std::size_t cells = std::size_t{rows} * columns;
    for (int down = -2; down <= 2; down += 1) {
      for (int across = -2; across <= 2; across += 1) {
        const auto row = static_cast<std::size_t>(y + down);
        const auto column = static_cast<std::size_t>(x + across);
        const std::size_t cell = row * columns + column;
        maps_[0][cell] = static_cast<float>(0.9 * std::exp(-0.4 * (down * down + across * across)));
        maps_[1][cell] = static_cast<float>(std::log(face.height * rows / ::height));
        maps_[1][cells + cell] = static_cast<float>(std::log(face.width * columns / ::width));
        maps_[2][cell] = static_cast<float>(y - static_cast<double>(row) - 0.5);
        maps_[2][cells + cell] = static_cast<float>(x - static_cast<double>(column) - 0.5);
        const std::array<float, 10> points{0.4F, 0.3F, 0.4F, 0.7F, 0.6F, 0.5F, 0.8F, 0.35F, 0.8F, 0.65F};
        for (std::size_t point = 0; point < points.size(); point += 1) maps_[3][point * cells + cell] = points[point];
      }
    }
  }

  std::array<std::vector<float>, 4> maps_;
  std::array<NvDsInferLayerInfo, 4> layers_{};
  std::array<void *, 4> buffers_{};
  NvDsInferTensorMeta meta_{};
};

void keep(gpointer /*user*/, gpointer /*context*/) {}

void add_object(NvDsFrameMeta *frame, int component, int class_id, guint64 id, const Rectangle &box, bool looked) {
  NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(frame->base_meta.batch_meta);
  object->unique_component_id = component;
  object->class_id = class_id;
  object->object_id = id;
  object->confidence = looked ? 0.875F : -0.1F;
  object->rect_params.left = box.left;
  object->rect_params.top = box.top;
  object->rect_params.width = box.width;
  object->rect_params.height = box.height;
  if (looked) object->detector_bbox_info.org_bbox_coords = {box.left, box.top, box.width, box.height};
  nvds_add_obj_meta_to_frame(frame, object, nullptr);
}

GstBuffer *batch_of(GstMemory *pictures, std::uint64_t number, bool looked, Tensors &tensors) {
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_memory_ref(pictures));
  NvDsBatchMeta *batch = nvds_create_batch_meta(sources);
  gst_buffer_add_nvds_meta(buffer, batch, nullptr, nvds_batch_meta_copy_func, nvds_batch_meta_release_func)->meta_type =
      NVDS_BATCH_GST_META;
  tensors.put(number);
  for (guint source = 0; source < sources; source += 1) {
    NvDsFrameMeta *frame = nvds_acquire_frame_meta_from_pool(batch);
    frame->source_id = frame->pad_index = frame->batch_id = source;
    frame->frame_num = static_cast<gint>(number);
    frame->buf_pts = number * frame_ns;
    frame->ntp_timestamp = static_cast<guint64>(wall_us()) * 1000;
    frame->source_frame_width = frame->pipeline_width = width;
    frame->source_frame_height = frame->pipeline_height = height;
    frame->bInferDone = looked ? TRUE : FALSE;
    nvds_add_frame_meta_to_batch(batch, frame);
    const guint64 first = guint64{source} << 32;
    for (int person = 0; person < persons; person += 1)
      add_object(frame, yolo_id, 0, first + person, person_at(person, number), looked);
    for (int face = 0; face < faces; face += 1)
      add_object(frame, centerface_id, face_class, first + persons + face, face_at(face, number), looked);
    if (!looked) continue;
    NvDsUserMeta *user = nvds_acquire_user_meta_from_pool(batch);
    user->user_meta_data = tensors.meta();
    user->base_meta.meta_type = NVDSINFER_TENSOR_OUTPUT_META;
    user->base_meta.release_func = keep;
    nvds_add_user_meta_to_frame(frame, user);
  }
  return buffer;
}

/** Pictures with something to encode in them. */
GstMemory *pictures_of(guint count) {
  standin::SurfaceSpec spec;
  spec.batch = count;
  spec.width = width;
  spec.height = height;
  GstMemory *memory = standin::nvmm_new(spec);
  if (memory == nullptr) return nullptr;
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_memory_ref(memory));
  NvBufSurface *surface = standin::surface_of(buffer);
  surface->numFilled = count;
  for (guint index = 0; index < count; index += 1) {
    for (guint plane = 0; plane < 2; plane += 1) {
      const standin::Plane at = standin::plane_of(surface, index, plane);
      for (guint y = 0; y < at.height; y += 1)
        for (guint x = 0; x < at.pitch; x += 1)
          at.data[std::size_t{y} * at.pitch + x] =
              static_cast<std::uint8_t>(128 + 60 * std::sin(x * 0.11) * std::cos(y * 0.07) + (x * 7 + y * 13) % 9);
    }
  }
  gst_buffer_unref(buffer);
  return memory;
}

Settings settings_of(const std::string &infer) {
  Settings settings{};
  settings.mux = {static_cast<int>(width), static_cast<int>(height), 40'000, 8};
  settings.detectors.push_back({"centerface", infer, centerface_id, DetectorKind::centerface, {"-", "face"}, 5});
  settings.detectors.push_back({"yolov7", infer, yolo_id, DetectorKind::yolo_end2end, {"person"}, 5});
  for (guint source = 0; source < sources; source += 1)
    settings.cameras.push_back({"camera-" + std::to_string(source), source});
  return settings;
}

struct Spent {
  /** Of each batch, for one of its frames. */
  std::vector<double> frame_us;
  std::size_t crops = 0;
  std::size_t landmarks = 0;
  double judge_us = 0;
  double message_us = 0;

  nlohmann::json json() {
    std::sort(frame_us.begin(), frame_us.end());
    const double mean = std::accumulate(frame_us.begin(), frame_us.end(), 0.0) / static_cast<double>(frame_us.size());
    const double frames = static_cast<double>(frame_us.size() * sources);
    return {{"meanUs", mean},
            {"p50Us", frame_us[frame_us.size() / 2]},
            {"p99Us", frame_us[frame_us.size() * 99 / 100]},
            {"batches", frame_us.size()},
            {"crops", crops},
            {"landmarks", landmarks},
            {"judgeUsPerCrop", crops == 0 ? 0 : judge_us / static_cast<double>(crops)},
            {"messageUsPerFrame", message_us / frames}};
  }
};

struct Run {
  bool looked;
  bool probed;
  bool crops;
  std::size_t batches;
};

/** One pad with the probe, and behind it nothing: what a batch takes to go through. */
Spent measure(const std::string &infer, GstMemory *pictures, const Run &run) {
  const Settings settings = settings_of(infer);
  CropJudge judge(sources);
  Outbox outbox(std::size_t{256} << 20, sources);
  BatchProbe probe(settings, judge, outbox);
  std::vector<std::unique_ptr<Camera>> cameras;
  std::vector<std::unique_ptr<CleanUnits>> units;
  for (guint source = 0; source < sources; source += 1) {
    CameraConfig config;
    config.camera = settings.cameras[source].camera;
    config.detect = {{"centerface", 0, {}, 0}, {"yolov7", 0, {"person"}, 0}};
    config.crops.faces = run.crops;
    judge.configure(source, config.crops);
    cameras.push_back(std::make_unique<Camera>(source, source, std::move(config), true));
    units.push_back(std::make_unique<CleanUnits>(*cameras.back(), nullptr));
    probe.watch(*cameras.back(), *units.back());
  }
  GstPad *from = gst_pad_new("src", GST_PAD_SRC);
  GstPad *to = gst_pad_new("sink", GST_PAD_SINK);
  gst_pad_set_chain_function(to, [](GstPad *, GstObject *, GstBuffer *buffer) {
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  });
  gst_pad_link(from, to);
  gst_pad_set_active(to, TRUE);
  gst_pad_set_active(from, TRUE);
  if (run.probed) probe.attach(from);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(from, gst_event_new_stream_start("bench"));
  gst_pad_push_event(from, gst_event_new_segment(&segment));

  Spent spent;
  Tensors tensors;
  const auto name = [&](const FrameRecord &record) -> const std::string & { return settings.cameras[record.camera].camera; };
  for (std::size_t number = 0; number < warm_batches + run.batches; number += 1) {
    const bool counts = number >= warm_batches;
    // The first ones are looked at, or a prediction would be of nothing.
    GstBuffer *buffer = batch_of(pictures, number, run.looked || number < 2, tensors);
    for (const auto &camera : cameras) camera->arrivals.add(static_cast<std::int64_t>(number) * frame_ns, mono_us());
    // What is freed behind the pad is not the probe's.
    gst_buffer_ref(buffer);
    const double before = cpu_us();
    gst_pad_push(from, buffer);
    if (counts) spent.frame_us.push_back((cpu_us() - before) / sources);
    gst_buffer_unref(buffer);
    auto records = outbox.take(std::size_t{256} << 20);
    if (!counts) continue;
    for (const auto &record : records)
      for (const auto &object : record.objects) {
        spent.crops += object.crop ? 1 : 0;
        spent.landmarks += object.landmarks ? 1 : 0;
      }
    const double judging = cpu_us();
    for (auto &record : records) judge.judge(record);
    const double writing = cpu_us();
    spent.judge_us += writing - judging;
    std::vector<std::string> bodies;
    std::vector<LeavingFrame> leaving;
    for (const auto &record : records) bodies.push_back(frame_body(record, name(record)));
    for (const auto &body : bodies) leaving.push_back({body, 1});
    const std::string message = frames_message(leaving, mono_us());
    spent.message_us += cpu_us() - writing;
    // Each of them is in it.
    if (run.probed && message.size() < records.size()) std::abort();
  }
  gst_pad_set_active(from, FALSE);
  gst_pad_set_active(to, FALSE);
  gst_object_unref(from);
  gst_object_unref(to);
  return spent;
}

int run(const std::string &infer) {
  GstMemory *pictures = pictures_of(sources);
  if (pictures == nullptr) throw std::runtime_error("there is no memory for pictures");
  nlohmann::json said{{"sources", sources}, {"persons", persons}, {"faces", faces}};
  said["bare"] = measure(infer, pictures, {true, false, false, batches}).json();
  said["predicted"] = measure(infer, pictures, {false, true, false, batches}).json();
  said["looked"] = measure(infer, pictures, {true, true, false, batches}).json();
  said["crops"] = measure(infer, pictures, {true, true, true, batches_with_crops}).json();
  gst_memory_unref(pictures);
  std::cout << said.dump() << std::endl;
  return 0;
}

} // namespace

int main(int count, char **arguments) {
  if (count != 2) {
    std::cerr << "usage: probe_bench INFER-CENTERFACE.TXT\n";
    return 64;
  }
  gst_init(nullptr, nullptr);
  try {
    return run(arguments[1]);
  } catch (const std::exception &error) {
    std::cerr << "probe_bench: " << error.what() << '\n';
    return 1;
  }
}
