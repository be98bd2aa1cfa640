#include "inference/attach.h"

#include <algorithm>
#include <utility>

#include "metadata.h"

namespace standin {

namespace {

constexpr NvOSD_ColorParams kRed{1, 0, 0, 1};
constexpr NvOSD_ColorParams kBlack{0, 0, 0, 1};
constexpr NvOSD_ColorParams kWhite{1, 1, 1, 1};

NvOSD_ColorParams color_of(const inference::PluginControl::Color &color) {
  return {color.r(), color.g(), color.b(), color.a()};
}

using Keep = std::shared_ptr<const Answer>;

NvDsInferTensorMeta *new_tensor_meta(const Keep &answer, guint unique_id, const std::vector<NvDsInferLayerInfo> &layers) {
  auto *meta = new NvDsInferTensorMeta();
  meta->unique_id = unique_id;
  meta->num_output_layers = static_cast<guint>(layers.size());
  meta->output_layers_info = new NvDsInferLayerInfo[layers.size()];
  std::copy(layers.begin(), layers.end(), meta->output_layers_info);
  meta->out_buf_ptrs_host = new void *[layers.size()];
  meta->out_buf_ptrs_dev = new void *[layers.size()];
  for (size_t i = 0; i < layers.size(); ++i) {
    meta->out_buf_ptrs_host[i] = layers[i].buffer;
    meta->out_buf_ptrs_dev[i] = nullptr;
  }
  meta->priv_data = new Keep(answer);
  return meta;
}

void release_tensors(gpointer data, gpointer) {
  auto *user = static_cast<NvDsUserMeta *>(data);
  auto *meta = static_cast<NvDsInferTensorMeta *>(user->user_meta_data);
  delete static_cast<Keep *>(meta->priv_data);
  delete[] meta->output_layers_info;
  delete[] meta->out_buf_ptrs_host;
  delete[] meta->out_buf_ptrs_dev;
  delete meta;
}

/** The card's copy forgets the size of the network: whoever needs it reads it before a tee's branch copies the buffer. */
gpointer copy_tensors(gpointer data, gpointer) {
  const auto *from = static_cast<NvDsInferTensorMeta *>(static_cast<NvDsUserMeta *>(data)->user_meta_data);
  return new_tensor_meta(*static_cast<const Keep *>(from->priv_data), from->unique_id,
                         {from->output_layers_info, from->output_layers_info + from->num_output_layers});
}

} // namespace

void attach_object(NvDsFrameMeta *frame, const FoundObject &object) {
  static gchar font[] = "Serif";
  NvDsObjectMeta *meta = nvds_acquire_obj_meta_from_pool(frame->base_meta.batch_meta);
  meta->unique_component_id = object.unique_id;
  meta->confidence = object.found.detectionConfidence;
  meta->object_id = UNTRACKED_OBJECT_ID;
  meta->class_id = static_cast<gint>(object.found.classId);
  NvOSD_RectParams &rect = meta->rect_params;
  rect.left = object.box.left;
  rect.top = object.box.top;
  rect.width = object.box.width;
  rect.height = object.box.height;
  meta->detector_bbox_info.org_bbox_coords = {rect.left, rect.top, rect.width, rect.height};
  rect.border_width = 3;
  rect.border_color =
      object.filter != nullptr && object.filter->has_border_color() ? color_of(object.filter->border_color()) : kRed;
  rect.has_bg_color = object.filter != nullptr && object.filter->has_bg_color() ? 1 : 0;
  if (rect.has_bg_color != 0) rect.bg_color = color_of(object.filter->bg_color());
  if (object.label != nullptr) g_strlcpy(meta->obj_label, object.label, MAX_LABEL_SIZE);
  NvOSD_TextParams &text = meta->text_params;
  text.display_text = g_strdup(object.label);
  text.x_offset = text_offset(rect.left);
  text.y_offset = text_offset(rect.top - 10);
  text.set_bg_clr = 1;
  text.text_bg_clr = kBlack;
  text.font_params.font_name = font;
  text.font_params.font_size = 11;
  text.font_params.font_color = kWhite;
  nvds_add_obj_meta_to_frame(frame, meta, nullptr);
}

void attach_tensor_meta(NvDsFrameMeta *frame, const std::shared_ptr<const Answer> &answer,
                        const std::vector<NvDsInferLayerInfo> &layers, const NvDsInferNetworkInfo &network, guint unique_id) {
  NvDsBatchMeta *batch = frame->base_meta.batch_meta;
  const MetaLock lock(batch);
  NvDsInferTensorMeta *meta = new_tensor_meta(answer, unique_id, layers);
  meta->network_info = network;
  NvDsUserMeta *user = nvds_acquire_user_meta_from_pool(batch);
  user->user_meta_data = meta;
  user->base_meta.meta_type = NVDSINFER_TENSOR_OUTPUT_META;
  user->base_meta.copy_func = copy_tensors;
  user->base_meta.release_func = release_tensors;
  nvds_add_user_meta_to_frame(frame, user);
}

} // namespace standin
