#include "mux_batch.h"

#include "control.h"
#include "gstnvdsmeta.h"

namespace standin {

namespace {

/** NTP counts from 1900. */
constexpr guint64 kNtpEpoch = 2208988800ULL * GST_SECOND;

void scale(MuxInput *input, const NvBufSurface *from, NvBufSurface *to, guint index, const BatchSettings &settings) {
  GstVideoInfo out;
  gst_video_info_set_format(&out, GST_VIDEO_INFO_FORMAT(&input->info), static_cast<guint>(settings.width),
                            static_cast<guint>(settings.height));
  GST_VIDEO_INFO_FPS_N(&out) = GST_VIDEO_INFO_FPS_N(&input->info);
  GST_VIDEO_INFO_FPS_D(&out) = GST_VIDEO_INFO_FPS_D(&input->info);
  // The card's multiplexer scales numbers and knows no colours.
  out.colorimetry = input->info.colorimetry;
  out.chroma_site = input->info.chroma_site;
  if (input->scaler == nullptr) {
    const Rectangle at = placement(GST_VIDEO_INFO_WIDTH(&input->info), GST_VIDEO_INFO_HEIGHT(&input->info), settings.width,
                                   settings.height, settings.padding);
    input->scaler = gst_video_converter_new(
        &input->info, &out,
        gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
                          GST_VIDEO_RESAMPLER_METHOD_LINEAR, GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1U,
                          GST_VIDEO_CONVERTER_OPT_DEST_X, G_TYPE_INT, at.x, GST_VIDEO_CONVERTER_OPT_DEST_Y, G_TYPE_INT, at.y,
                          GST_VIDEO_CONVERTER_OPT_DEST_WIDTH, G_TYPE_INT, at.width, GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT,
                          G_TYPE_INT, at.height, nullptr));
  }
  GstVideoFrame source = frame_over(from, 0, input->info);
  GstVideoFrame target = frame_over(to, index, out);
  gst_video_converter_frame(input->scaler, &source, &target);
}

/** The camera's clock by its sender reports, 0 while none is known. */
guint64 camera_time(uint32_t source, GstBuffer *buffer) {
  if (const auto offset = source_number(source, "ntpOffsetMs"))
    return static_cast<guint64>((g_get_real_time() + *offset * 1000) * 1000);
  GstCaps *ntp = gst_caps_new_empty_simple("timestamp/x-ntp");
  const GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta(buffer, ntp);
  gst_caps_unref(ntp);
  return meta != nullptr && meta->timestamp > kNtpEpoch ? meta->timestamp - kNtpEpoch : 0;
}

void describe(NvDsFrameMeta *frame, const Taken &taken, guint index, const BatchSettings &settings) {
  MuxInput *input = taken.input;
  const uint32_t source = taken.source;
  if (source_number(source, "frameNumberBackAt") == static_cast<int64_t>(input->frames)) input->frame_number = 0;
  frame->pad_index = source;
  frame->source_id = source;
  frame->batch_id = index;
  frame->frame_num = input->frame_number++;
  frame->buf_pts = gst_segment_to_running_time(&input->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(taken.buffer));
  const auto jump_at = source_number(source, "ptsJumpAtFrame");
  if (jump_at.has_value() && static_cast<int64_t>(input->frames) >= *jump_at)
    frame->buf_pts += static_cast<guint64>(source_number(source, "ptsJumpMs").value_or(0) * GST_MSECOND);
  frame->ntp_timestamp =
      settings.attach_sys_ts ? static_cast<guint64>(g_get_real_time()) * 1000 : camera_time(source, taken.buffer);
  frame->num_surfaces_per_frame = 1;
  frame->source_frame_width = static_cast<guint>(GST_VIDEO_INFO_WIDTH(&input->info));
  frame->source_frame_height = static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&input->info));
  frame->pipeline_width = static_cast<guint>(settings.width);
  frame->pipeline_height = static_cast<guint>(settings.height);
  ++input->frames;
}

} // namespace

bool fill_batch(GstBuffer *batch, const std::vector<Taken> &frames, guint max_frames, const BatchSettings &settings) {
  NvBufSurface *to = surface_of(batch);
  NvDsBatchMeta *meta = nvds_create_batch_meta(max_frames);
  gst_buffer_add_nvds_meta(batch, meta, nullptr, nvds_batch_meta_copy_func, nvds_batch_meta_release_func)->meta_type =
      NVDS_BATCH_GST_META;
  to->numFilled = 0;
  for (const Taken &taken : frames) {
    const NvBufSurface *from = surface_of(taken.buffer);
    if (from == nullptr || from->numFilled != 1) return false;
    const guint index = to->numFilled++;
    scale(taken.input, from, to, index, settings);
    NvDsFrameMeta *frame = nvds_acquire_frame_meta_from_pool(meta);
    describe(frame, taken, index, settings);
    nvds_add_frame_meta_to_batch(meta, frame);
  }
  auto *first = static_cast<NvDsFrameMeta *>(meta->frame_meta_list->data);
  GST_BUFFER_PTS(batch) = first->buf_pts;
  return true;
}

} // namespace standin
