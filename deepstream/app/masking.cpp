#include "masking.h"

#include "batch_surface.h"

namespace sightline::app {

Masking::Masking(const Settings &settings, const BatchProbe &probe, unsigned slots)
    : settings_(settings), probe_(probe), blackener_(static_cast<unsigned>(settings.gpu)), cuts_(slots) {}

bool Masking::wanted() const {
  for (unsigned source = 0; source < cuts_.size(); source += 1) {
    const ProbedCamera *probed = probe_.camera(source);
    if (probed != nullptr && !probed->camera.config.masks.empty()) return true;
  }
  return false;
}

void Masking::attach(GstPad *pad, GstElement *reporter) {
  reporter_ = reporter;
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_batch, this, nullptr);
}

GstPadProbeReturn Masking::on_batch(GstPad *, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<Masking *>(data);
  const auto fault = self->mask(GST_PAD_PROBE_INFO_BUFFER(info));
  if (!fault) return GST_PAD_PROBE_OK;
  if (!self->said_)
    GST_ELEMENT_ERROR(self->reporter_, STREAM, FAILED,
                      ("%s: %s", fault->lasts ? never_masked : "a picture cannot be masked", fault->reason.c_str()), (nullptr));
  self->said_ = true;
  return GST_PAD_PROBE_DROP;
}

std::optional<MaskFault> Masking::mask(GstBuffer *buffer) {
  const NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  if (batch == nullptr) return MaskFault{"it has no metadata"};
  const NvBufSurface *surface = batch_surface(buffer);
  if (surface == nullptr) return MaskFault{"its batch cannot be read"};
  std::vector<MaskedPicture> pictures;
  for (GList *at = batch->frame_meta_list; at != nullptr; at = at->next) {
    const auto *frame = static_cast<const NvDsFrameMeta *>(at->data);
    const ProbedCamera *probed = probe_.camera(frame->source_id);
    if (probed == nullptr || probed->camera.config.masks.empty()) continue;
    const Size source{static_cast<double>(frame->source_frame_width), static_cast<double>(frame->source_frame_height)};
    pictures.push_back({frame->batch_id, strips_for(frame->source_id, probed->camera.config.masks, source)});
  }
  return blackener_.blacken(*surface, pictures);
}

std::shared_ptr<const std::vector<Strip>> Masking::strips_for(unsigned source_id, const std::vector<Polygon> &masks,
                                                              const Size &source) {
  auto &cut = cuts_[source_id];
  if (!cut || cut->source.width != source.width || cut->source.height != source.height) {
    const Size mux{static_cast<double>(settings_.mux.width), static_cast<double>(settings_.mux.height)};
    std::optional<Box> picture;
    if (source.width > 0 && source.height > 0) picture = mux_letterbox(source, mux).into({0, 0, source.width, source.height});
    cut = {source, std::make_shared<const std::vector<Strip>>(strips_of(masks, picture, mux))};
  }
  return cut->strips;
}

} // namespace sightline::app
