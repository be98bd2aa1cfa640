#include "crop_encoder.h"

namespace sightline::app {

bool CropEncoder::add(NvBufSurface *surface, NvDsFrameMeta *frame, const CropCut &cut, int quality, std::string *jpeg) {
  if (context_ == nullptr) return false;
  // An object of its own: the detection's rectangle stays what it is, and the tracker has been.
  NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(frame->base_meta.batch_meta);
  if (object == nullptr) return false;
  object->rect_params.left = static_cast<float>(cut.pixels.left);
  object->rect_params.top = static_cast<float>(cut.pixels.top);
  object->rect_params.width = static_cast<float>(cut.pixels.width);
  object->rect_params.height = static_cast<float>(cut.pixels.height);
  nvds_add_obj_meta_to_frame(frame, object, nullptr);
  NvDsObjEncUsrArgs arguments{};
  arguments.attachUsrMeta = true;
  arguments.quality = quality;
  arguments.scaleImg = cut.width != static_cast<int>(cut.pixels.width) || cut.height != static_cast<int>(cut.pixels.height);
  arguments.scaledWidth = cut.width;
  arguments.scaledHeight = cut.height;
  asked_.push_back({frame, object, jpeg});
  return nvds_obj_enc_process(context_, &arguments, surface, object, frame);
}

void CropEncoder::finish() {
  if (asked_.empty()) return;
  nvds_obj_enc_finish(context_);
  for (const auto &asked : asked_) {
    for (GList *at = asked.object->obj_user_meta_list; at != nullptr; at = at->next) {
      const auto *user = static_cast<NvDsUserMeta *>(at->data);
      if (user->base_meta.meta_type != NVDS_CROP_IMAGE_META) continue;
      const auto *made = static_cast<NvDsObjEncOutParams *>(user->user_meta_data);
      asked.jpeg->assign(reinterpret_cast<const char *>(made->outBuffer), made->outLen);
    }
    // Its user metadata go with it.
    nvds_remove_obj_meta_from_frame(asked.frame, asked.object);
  }
  asked_.clear();
}

} // namespace sightline::app
