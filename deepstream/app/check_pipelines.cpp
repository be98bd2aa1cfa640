#include "check_pipelines.h"

#include <functional>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include "batch_surface.h"
#include "bus_text.h"
#include "crop_encoder.h"
#include "encoders.h"
#include "holders.h"

namespace sightline::app {
namespace {

constexpr int width = 640;
constexpr int height = 360;
constexpr GstClockTime frame_time = 40 * GST_MSECOND;
/** Decoders hold pictures back until they have seen some. */
constexpr unsigned times = 4;
constexpr int jpeg_quality = 90;
constexpr int bitrate_kbps = 2000;

std::string raw_caps() {
  return "video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) + ",height=" + std::to_string(height);
}

/** Luma that differs from place to place, so that there is something to encode. */
std::string raw_picture() {
  std::string picture(static_cast<std::size_t>(width) * height * 3 / 2, '\x80');
  for (std::size_t i = 0; i < static_cast<std::size_t>(width) * height; i += 1)
    picture[i] = static_cast<char>(32 + i % width / 4);
  return picture;
}

struct Feed {
  const void *data;
  std::size_t size;
  unsigned times;
};

/** Runs a pipeline with `in`, an appsrc, and `out`, whose buffers are counted and shown to `see`, to its end. */
Passed run(const std::string &description, const Feed &feed, const std::function<void(GstBuffer *)> &see = {},
           const std::function<void(GstBin *)> &prepare = {}) {
  struct Seen {
    unsigned count = 0;
    const std::function<void(GstBuffer *)> &see;
  } seen{0, see};
  GError *error = nullptr;
  const ElementRef pipeline(gst_parse_launch_full(description.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
  const ErrorRef wrong(error);
  if (pipeline == nullptr) return {0, wrong == nullptr ? "the pipeline cannot be made" : wrong->message};
  gst_object_ref_sink(pipeline.get());
  const ElementRef in(gst_bin_get_by_name(GST_BIN(pipeline.get()), "in"));
  const ElementRef out(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
  const PadRef pad(gst_element_get_static_pad(out.get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto *to = static_cast<Seen *>(data);
        to->count += 1;
        if (to->see) to->see(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
      },
      &seen, nullptr);
  if (prepare) prepare(GST_BIN(pipeline.get()));
  const BusRef bus(gst_element_get_bus(pipeline.get()));
  const bool failed = gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE;
  for (unsigned i = 0; i < feed.times && !failed; i += 1) {
    GstBuffer *buffer = gst_buffer_new_memdup(feed.data, feed.size);
    GST_BUFFER_PTS(buffer) = i * frame_time;
    GST_BUFFER_DTS(buffer) = i * frame_time;
    GST_BUFFER_DURATION(buffer) = frame_time;
    gst_app_src_push_buffer(GST_APP_SRC(in.get()), buffer);
  }
  gst_app_src_end_of_stream(GST_APP_SRC(in.get()));
  const auto types = static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  const MessageRef message(gst_bus_timed_pop_filtered(bus.get(), failed ? 0 : GST_CLOCK_TIME_NONE, types));
  Passed passed;
  if (message == nullptr)
    passed.problem = "it does not start, and gives no reason";
  else if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR)
    passed.problem = bus_text(message.get());
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  passed.count = seen.count;
  return passed;
}

std::string source_of(const std::string &caps) {
  return "appsrc name=in format=time caps=\"" + caps + "\"";
}

constexpr const char *sink = "fakesink name=out sync=false async=false";

} // namespace

Passed decoded_frames(const std::string &caps, const std::string &parser, const std::string &decoder,
                      const std::uint8_t *picture, std::size_t size) {
  return run(source_of(caps) + " ! " + parser + " ! " + decoder + " ! " + sink, {picture, size, times});
}

Passed encoded_frames(bool hardware, const std::string &encoder) {
  const auto picture = raw_picture();
  const auto prepare = [](GstBin *pipeline) {
    const ElementRef element(gst_bin_get_by_name(pipeline, "encoder"));
    set_encoder(element.get(), bitrate_kbps);
  };
  const std::string to_card = hardware ? " ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12" : "";
  return run(source_of(raw_caps()) + to_card + " ! " + encoder + " name=encoder ! h264parse ! " + sink,
             {picture.data(), picture.size(), check_frames}, {}, prepare);
}

CutCrop cut_crop() {
  const auto picture = raw_picture();
  CropEncoder encoder(0);
  CutCrop made;
  const auto cut = [&](GstBuffer *buffer) {
    NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
    if (batch == nullptr || batch->frame_meta_list == nullptr) return;
    NvBufSurface *surface = batch_surface(buffer);
    if (surface == nullptr) return;
    CropCut wanted{};
    wanted.pixels = {64, 32, 128, 160};
    wanted.width = 64;
    wanted.height = 80;
    encoder.add(surface, static_cast<NvDsFrameMeta *>(batch->frame_meta_list->data), wanted, jpeg_quality, &made.jpeg);
    encoder.finish();
  };
  const auto passed =
      run(source_of(raw_caps()) +
              " ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! mux.sink_0 nvstreammux name=mux "
              "batch-size=1 width=" +
              std::to_string(width) + " height=" + std::to_string(height) + " batched-push-timeout=40000 ! " + sink,
          {picture.data(), picture.size(), 1}, cut);
  made.problem = passed.problem;
  if (!made.problem && passed.count == 0) made.problem = "no batch came out of nvstreammux";
  return made;
}

} // namespace sightline::app
