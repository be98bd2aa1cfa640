#include "encoded_output.h"

#include <gstnvdsmeta.h>

namespace sightline::app {
namespace {

constexpr unsigned detected_stroke = 4;
constexpr unsigned predicted_stroke = 2;
/** Height of letters as a share of the picture's. */
constexpr unsigned text_share = 54;
constexpr unsigned smallest_text = 10;
constexpr float above_box = 6;
constexpr const char *font = "Sans";

void write(NvDsObjectMeta *object, const std::string &words, const Colour &colour, unsigned picture_height, bool predicted) {
  NvOSD_RectParams &rect = object->rect_params;
  rect.border_width = predicted ? predicted_stroke : detected_stroke;
  rect.border_color = {colour.red, colour.green, colour.blue, 1};
  rect.has_bg_color = 0;
  NvOSD_TextParams &text = object->text_params;
  // Strings of metadata are freed by whoever frees them: GLib's.
  g_free(text.display_text);
  text.display_text = g_strdup(words.c_str());
  text.font_params.font_size = std::max(smallest_text, picture_height / text_share);
  // Nobody frees this one: whoever sets it gives a literal.
  text.font_params.font_name = const_cast<char *>(font);
  text.font_params.font_color = {0, 0, 0, 1};
  text.set_bg_clr = 1;
  text.text_bg_clr = {colour.red, colour.green, colour.blue, 0.85};
  // The offsets are unsigned: above the upper edge there is nothing.
  const float line = 2 * static_cast<float>(text.font_params.font_size);
  text.x_offset = static_cast<unsigned>(std::max(0.0F, rect.left));
  text.y_offset = static_cast<unsigned>(std::max(0.0F, rect.top - line - above_box));
}

} // namespace

void EncodedOutput::attach(GstPad *before_drawing, GstAppSink *sink) {
  gst_pad_add_probe(before_drawing, GST_PAD_PROBE_TYPE_BUFFER, on_draw, this, nullptr);
  GstAppSinkCallbacks callbacks{};
  callbacks.new_sample = on_sample;
  gst_app_sink_set_callbacks(sink, &callbacks, this, nullptr);
}

GstPadProbeReturn EncodedOutput::on_draw(GstPad *, GstPadProbeInfo *info, gpointer self) {
  static_cast<EncodedOutput *>(self)->draw(GST_PAD_PROBE_INFO_BUFFER(info));
  return GST_PAD_PROBE_OK;
}

void EncodedOutput::draw(GstBuffer *buffer) {
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  if (batch == nullptr) return;
  for (GList *at = batch->frame_meta_list; at != nullptr; at = at->next) {
    auto *frame = static_cast<NvDsFrameMeta *>(at->data);
    const auto known = probed_.shown.find(static_cast<std::int64_t>(frame->buf_pts));
    for (GList *one = frame->obj_meta_list; one != nullptr; one = one->next) {
      auto *object = static_cast<NvDsObjectMeta *>(one->data);
      const auto track = static_cast<std::uint32_t>(object->misc_obj_info[0]);
      // What the camera did not ask for is not drawn.
      if (track == 0) {
        object->rect_params.border_width = 0;
        object->rect_params.has_bg_color = 0;
        g_clear_pointer(&object->text_params.display_text, g_free);
        continue;
      }
      const auto label = known ? labels_.find(probed_.camera.index, known->frame.generation, track) : std::nullopt;
      write(object, words_of(label, object->obj_label), colour_of(label ? label->colour : ""), frame->pipeline_height,
            frame->bInferDone == FALSE || object->confidence < 0);
    }
  }
}

GstFlowReturn EncodedOutput::on_sample(GstAppSink *sink, gpointer self) {
  const SampleRef sample(gst_app_sink_pull_sample(sink));
  if (sample != nullptr) static_cast<EncodedOutput *>(self)->take(sample.get());
  return GST_FLOW_OK;
}

void EncodedOutput::take(GstSample *sample) {
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  const GstSegment *segment = gst_sample_get_segment(sample);
  if (buffer == nullptr || segment == nullptr || !GST_BUFFER_PTS_IS_VALID(buffer)) return;
  // Running time: encoders move their time stamps and the segment with them.
  const auto running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  const auto known = probed_.shown.find(static_cast<std::int64_t>(running));
  const MappedBuffer bytes(buffer);
  const auto pts = known ? to_pts_90k(known->frame.pts) : 0;
  if (known && known->frame.generation != generation_) last_pts_ = -1;
  if (!known || !bytes || pts <= last_pts_) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  generation_ = known->frame.generation;
  last_pts_ = pts;
  const bool key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  std::string data(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  const auto sets = key ? parameter_sets_of(data, Coding::h264) : std::string();
  if (format_ == nullptr || (!sets.empty() && sets != format_->parameter_sets)) {
    int width = 0;
    int height = 0;
    const GstStructure *structure = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
    gst_structure_get_int(structure, "width", &width);
    gst_structure_get_int(structure, "height", &height);
    format_ = std::make_shared<StreamFormat>(StreamFormat{
        "h264", static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), sets, probed_.camera.config.revision});
  }
  // Without B-frames a picture is decoded when it is shown.
  media_.send(probed_.camera.index, wire::Variant::annotated, format_,
              {generation_, pts, pts, known->frame.camera_time_us, key, known->received_mono_us, std::move(data)});
}

} // namespace sightline::app
