// A deep copy of a batch's metadata, as made when a buffer that carries it is copied.
#include <unordered_map>

#include "metas.h"

namespace {

/** Metadata of the user is copied by its own function; without one it stays behind. */
template <typename Owner> void copy_users(NvDsBatchMeta *batch, Owner *to, GList *list, void (*add)(Owner *, NvDsUserMeta *)) {
  for (GList *l = list; l != nullptr; l = l->next) {
    auto *from = static_cast<NvDsUserMeta *>(l->data);
    if (from->base_meta.copy_func == nullptr) continue;
    NvDsUserMeta *copy = nvds_acquire_user_meta_from_pool(batch);
    const NvDsBaseMeta base = copy->base_meta;
    copy->base_meta = from->base_meta;
    copy->base_meta.batch_meta = base.batch_meta;
    copy->user_meta_data = from->base_meta.copy_func(from, from->base_meta.uContext);
    add(to, copy);
  }
}

/** Everything but what is owned: base, lists and strings keep what `to` has. */
void copy_object(NvDsBatchMeta *batch, NvDsObjectMeta *to, const NvDsObjectMeta *from) {
  const NvDsBaseMeta base = to->base_meta;
  *to = *from;
  to->base_meta = base;
  to->parent = nullptr;
  to->obj_user_meta_list = nullptr;
  to->text_params.display_text = g_strdup(from->text_params.display_text);
  copy_users<NvDsObjectMeta>(batch, to, from->obj_user_meta_list, nvds_add_user_meta_to_obj);
}

void copy_display(NvDsDisplayMeta *to, const NvDsDisplayMeta *from) {
  const NvDsBaseMeta base = to->base_meta;
  *to = *from;
  to->base_meta = base;
  for (guint i = 0; i < to->num_labels && i < MAX_ELEMENTS_IN_DISPLAY_META; ++i)
    to->text_params[i].display_text = g_strdup(from->text_params[i].display_text);
}

} // namespace

namespace standin {

NvDsFrameMeta *copy_frame(NvDsBatchMeta *batch, const NvDsFrameMeta *from) {
  NvDsFrameMeta *to = nvds_acquire_frame_meta_from_pool(batch);
  const NvDsBaseMeta base = to->base_meta;
  *to = *from;
  to->base_meta = base;
  to->num_obj_meta = 0;
  to->obj_meta_list = nullptr;
  to->display_meta_list = nullptr;
  to->frame_user_meta_list = nullptr;
  std::unordered_map<const NvDsObjectMeta *, NvDsObjectMeta *> copies;
  for (GList *l = from->obj_meta_list; l != nullptr; l = l->next) {
    const auto *object = static_cast<const NvDsObjectMeta *>(l->data);
    NvDsObjectMeta *copy = nvds_acquire_obj_meta_from_pool(batch);
    copy_object(batch, copy, object);
    copies.emplace(object, copy);
    nvds_add_obj_meta_to_frame(to, copy, nullptr);
  }
  for (const auto &[object, copy] : copies) {
    const auto parent = copies.find(object->parent);
    if (parent != copies.end()) copy->parent = parent->second;
  }
  for (GList *l = from->display_meta_list; l != nullptr; l = l->next) {
    NvDsDisplayMeta *copy = nvds_acquire_display_meta_from_pool(batch);
    copy_display(copy, static_cast<const NvDsDisplayMeta *>(l->data));
    nvds_add_display_meta_to_frame(to, copy);
  }
  copy_users<NvDsFrameMeta>(batch, to, from->frame_user_meta_list, nvds_add_user_meta_to_frame);
  nvds_add_frame_meta_to_batch(batch, to);
  return to;
}

} // namespace standin

extern "C" gpointer nvds_batch_meta_copy_func(gpointer data, gpointer) {
  auto *from = static_cast<NvDsBatchMeta *>(data);
  nvds_acquire_meta_lock(from);
  NvDsBatchMeta *to = nvds_create_batch_meta(from->max_frames_in_batch);
  for (GList *l = from->frame_meta_list; l != nullptr; l = l->next)
    standin::copy_frame(to, static_cast<NvDsFrameMeta *>(l->data));
  copy_users<NvDsBatchMeta>(to, to, from->batch_user_meta_list, nvds_add_user_meta_to_batch);
  nvds_release_meta_lock(from);
  return to;
}
