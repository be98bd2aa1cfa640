// Runs a pipeline of gst-launch's language and says what came out of it, as JSON, one object a line: for tests in other
// languages.
//   drive PIPELINE [--at N (event | property) INTERVAL]
// Elements are known by name: buffers are counted where they enter `infer`, and read where they leave `probe`. --at changes the
// interval of `infer` before its buffer N (from 0).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <gst/gst.h>
#include <nlohmann/json.hpp>

#include "gstnvdsinfer.h"
#include "gstnvdsmeta.h"

namespace {

using nlohmann::json;

void say(const json &line) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> hold(mutex);
  // A confidence that is no number becomes null.
  std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

struct Change {
  int at = -1;
  bool by_event = false;
  guint interval = 0;
};

struct Drive {
  GstElement *pipeline = nullptr;
  Change change;
  int entered = 0;
};

json coords(const NvBbox_Coords &box) {
  return {box.left, box.top, box.width, box.height};
}

json shown(const NvDsObjectMeta *object) {
  const NvOSD_RectParams &rect = object->rect_params;
  json id = object->object_id;
  if (object->object_id == UNTRACKED_OBJECT_ID) id = nullptr;
  const gchar *text = object->text_params.display_text;
  return {{"class", object->class_id},
          {"component", object->unique_component_id},
          {"id", id},
          {"confidence", object->confidence},
          {"label", object->obj_label},
          {"text", text == nullptr ? json() : json(text)},
          {"box", {rect.left, rect.top, rect.width, rect.height}},
          {"detector", coords(object->detector_bbox_info.org_bbox_coords)}};
}

json shown(const NvDsInferTensorMeta *meta) {
  json layers = json::array();
  for (guint i = 0; i < meta->num_output_layers; ++i) {
    const NvDsInferLayerInfo &layer = meta->output_layers_info[i];
    json dims = json::array();
    for (unsigned d = 0; d < layer.inferDims.numDims; ++d) dims.push_back(layer.inferDims.d[d]);
    layers.push_back({{"name", layer.layerName}, {"type", layer.dataType}, {"dims", dims}, {"bound", layer.buffer != nullptr}});
  }
  return {
      {"uniqueId", meta->unique_id}, {"network", {meta->network_info.width, meta->network_info.height}}, {"layers", layers}};
}

json shown(const NvDsFrameMeta *frame) {
  json line = {{"source", frame->source_id},
               {"number", frame->frame_num},
               {"inferred", frame->bInferDone != FALSE},
               {"objects", json::array()},
               {"tensors", json::array()}};
  for (GList *l = frame->obj_meta_list; l != nullptr; l = l->next)
    line["objects"].push_back(shown(static_cast<NvDsObjectMeta *>(l->data)));
  for (GList *l = frame->frame_user_meta_list; l != nullptr; l = l->next) {
    const auto *user = static_cast<NvDsUserMeta *>(l->data);
    if (user->base_meta.meta_type == NVDSINFER_TENSOR_OUTPUT_META)
      line["tensors"].push_back(shown(static_cast<NvDsInferTensorMeta *>(user->user_meta_data)));
  }
  return line;
}

GstPadProbeReturn on_left(GstPad *, GstPadProbeInfo *info, gpointer) {
  const NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(GST_PAD_PROBE_INFO_BUFFER(info));
  json frames = json::array();
  for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next)
    frames.push_back(shown(static_cast<NvDsFrameMeta *>(l->data)));
  say({{"batch", frames}});
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn on_entered(GstPad *pad, GstPadProbeInfo *, gpointer data) {
  auto *drive = static_cast<Drive *>(data);
  const Change &change = drive->change;
  if (drive->entered == change.at && change.by_event) {
    constexpr auto kType =
        static_cast<GstEventType>(GST_EVENT_MAKE_TYPE(407, GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED));
    gst_pad_send_event(pad,
                       gst_event_new_custom(kType, gst_structure_new("nv-infer-interval-update", "stream_id", G_TYPE_STRING,
                                                                     "0", "interval", G_TYPE_UINT, change.interval, nullptr)));
  } else if (drive->entered == change.at) {
    GstElement *infer = gst_pad_get_parent_element(pad);
    g_object_set(infer, "interval", change.interval, nullptr);
    gst_object_unref(infer);
  }
  say({{"entered", ++drive->entered}});
  return GST_PAD_PROBE_OK;
}

void watch(Drive *drive, const char *name, const char *pad_name, GstPadProbeCallback callback) {
  GstElement *element = gst_bin_get_by_name(GST_BIN(drive->pipeline), name);
  if (element == nullptr) return;
  GstPad *pad = gst_element_get_static_pad(element, pad_name);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, callback, drive, nullptr);
  gst_object_unref(pad);
  gst_object_unref(element);
}

void say_message(GstMessage *message) {
  const bool is_error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
  GError *error = nullptr;
  gchar *debug = nullptr;
  if (is_error)
    gst_message_parse_error(message, &error, &debug);
  else
    gst_message_parse_warning(message, &error, &debug);
  say({{is_error ? "error" : "warning", error->message}, {"from", GST_OBJECT_NAME(GST_MESSAGE_SRC(message))}});
  g_error_free(error);
  g_free(debug);
}

bool parse(int argc, char **argv, Drive &drive) {
  if (argc != 2 && argc != 6) return false;
  if (argc == 6) {
    if (std::strcmp(argv[2], "--at") != 0) return false;
    drive.change = {std::atoi(argv[3]), std::strcmp(argv[4], "event") == 0, static_cast<guint>(std::atoi(argv[5]))};
  }
  GError *error = nullptr;
  drive.pipeline = gst_parse_launch(argv[1], &error);
  if (error == nullptr) return true;
  std::fprintf(stderr, "%s\n", error->message);
  g_error_free(error);
  return false;
}

} // namespace

int main(int argc, char **argv) {
  gst_init(nullptr, nullptr);
  Drive drive;
  if (!parse(argc, argv, drive)) return 64;
  watch(&drive, "infer", "sink", on_entered);
  watch(&drive, "probe", "src", on_left);
  GstBus *bus = gst_element_get_bus(drive.pipeline);
  const bool started = gst_element_set_state(drive.pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  say({{"started", started}});
  constexpr auto kTypes = static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_EOS);
  for (bool ended = false; !ended;) {
    // After a failed start what was posted is there already; nothing more will come.
    GstMessage *message = gst_bus_timed_pop_filtered(bus, started ? GST_CLOCK_TIME_NONE : 0, kTypes);
    if (message == nullptr) break;
    ended = started && GST_MESSAGE_TYPE(message) != GST_MESSAGE_WARNING;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
      say({{"eos", true}});
    else
      say_message(message);
    gst_message_unref(message);
  }
  gst_element_set_state(drive.pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(drive.pipeline);
  return 0;
}
