// The batch's metadata: who is taken, in which list it is, and how it is given back.
#include "nvdsmeta.h"

#include <map>
#include <mutex>
#include <string>

#include "metas.h"

using standin::pools;

namespace {

class Hold {
public:
  explicit Hold(NvDsBatchMeta *batch) : batch_(batch) { nvds_acquire_meta_lock(batch_); }
  ~Hold() { nvds_release_meta_lock(batch_); }
  Hold(const Hold &) = delete;
  Hold &operator=(const Hold &) = delete;

private:
  NvDsBatchMeta *batch_;
};

/** Out of its list, or death: a meta that is not in the list it is removed from would be given back twice sooner or later. */
void unlist(GList **list, gpointer meta, const char *kind) {
  GList *link = g_list_find(*list, meta);
  if (link == nullptr) standin::broken("a meta is removed from where it is not", kind);
  *list = g_list_delete_link(*list, link);
}

void list_once(GList **list, gpointer meta, const char *kind) {
  if (g_list_find(*list, meta) != nullptr) standin::broken("a meta is added twice", kind);
  *list = g_list_append(*list, meta);
}

void give_user(NvDsUserMeta *meta) {
  pools().user.must_live(meta);
  if (meta->base_meta.release_func != nullptr) meta->base_meta.release_func(meta, meta->base_meta.uContext);
  pools().user.give_back(meta);
}

void give_users(GList *list) {
  for (GList *l = list; l != nullptr; l = l->next) give_user(static_cast<NvDsUserMeta *>(l->data));
  g_list_free(list);
}

void give_object(NvDsObjectMeta *meta) {
  pools().object.must_live(meta);
  give_users(meta->obj_user_meta_list);
  g_free(meta->text_params.display_text);
  pools().object.give_back(meta);
}

void give_display(NvDsDisplayMeta *meta) {
  pools().display.must_live(meta);
  for (guint i = 0; i < meta->num_labels && i < MAX_ELEMENTS_IN_DISPLAY_META; ++i) g_free(meta->text_params[i].display_text);
  pools().display.give_back(meta);
}

void give_frame(NvDsFrameMeta *meta) {
  pools().frame.must_live(meta);
  for (GList *l = meta->obj_meta_list; l != nullptr; l = l->next) give_object(static_cast<NvDsObjectMeta *>(l->data));
  g_list_free(meta->obj_meta_list);
  for (GList *l = meta->display_meta_list; l != nullptr; l = l->next) give_display(static_cast<NvDsDisplayMeta *>(l->data));
  g_list_free(meta->display_meta_list);
  give_users(meta->frame_user_meta_list);
  pools().frame.give_back(meta);
}

} // namespace

namespace standin {

Pools &pools() {
  // Never destroyed: threads of GStreamer may give metas back while the process ends.
  static auto *all = new Pools();
  return *all;
}

} // namespace standin

extern "C" {

NvDsBatchMeta *nvds_create_batch_meta(guint max_batch_size) {
  auto *batch = new NvDsBatchMeta();
  batch->base_meta.batch_meta = batch;
  batch->base_meta.meta_type = NVDS_BATCH_META;
  batch->max_frames_in_batch = max_batch_size;
  g_rec_mutex_init(&batch->meta_mutex);
  standin::batches_alive().fetch_add(1);
  return batch;
}

gboolean nvds_destroy_batch_meta(NvDsBatchMeta *batch) {
  if (batch == nullptr) return FALSE;
  {
    const Hold hold(batch);
    for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next) give_frame(static_cast<NvDsFrameMeta *>(l->data));
    g_list_free(batch->frame_meta_list);
    give_users(batch->batch_user_meta_list);
    if (batch->standin_taken != 0) {
      std::fprintf(stderr, "standin: %u metas of a batch were taken from a pool and neither added nor given back\n",
                   batch->standin_taken);
      std::abort();
    }
  }
  g_rec_mutex_clear(&batch->meta_mutex);
  std::memset(static_cast<void *>(batch), standin::kPoison, sizeof *batch);
  delete batch;
  standin::batches_alive().fetch_sub(1);
  return TRUE;
}

void nvds_batch_meta_release_func(gpointer data, gpointer) {
  nvds_destroy_batch_meta(static_cast<NvDsBatchMeta *>(data));
}

void nvds_acquire_meta_lock(NvDsBatchMeta *batch) {
  g_rec_mutex_lock(&batch->meta_mutex);
}
void nvds_release_meta_lock(NvDsBatchMeta *batch) {
  g_rec_mutex_unlock(&batch->meta_mutex);
}

NvDsFrameMeta *nvds_acquire_frame_meta_from_pool(NvDsBatchMeta *batch) {
  return pools().frame.take(batch);
}
NvDsObjectMeta *nvds_acquire_obj_meta_from_pool(NvDsBatchMeta *batch) {
  NvDsObjectMeta *meta = pools().object.take(batch);
  meta->object_id = UNTRACKED_OBJECT_ID;
  return meta;
}
NvDsDisplayMeta *nvds_acquire_display_meta_from_pool(NvDsBatchMeta *batch) {
  return pools().display.take(batch);
}
NvDsUserMeta *nvds_acquire_user_meta_from_pool(NvDsBatchMeta *batch) {
  return pools().user.take(batch);
}

void nvds_add_frame_meta_to_batch(NvDsBatchMeta *batch, NvDsFrameMeta *frame) {
  pools().frame.must_live(frame);
  const Hold hold(batch);
  if (batch->num_frames_in_batch >= batch->max_frames_in_batch)
    standin::broken("more frames than the batch was made for", "frame");
  list_once(&batch->frame_meta_list, frame, "frame");
  ++batch->num_frames_in_batch;
}

void nvds_add_obj_meta_to_frame(NvDsFrameMeta *frame, NvDsObjectMeta *object, NvDsObjectMeta *parent) {
  pools().frame.must_live(frame);
  pools().object.must_live(object);
  const Hold hold(frame->base_meta.batch_meta);
  list_once(&frame->obj_meta_list, object, "object");
  object->parent = parent;
  ++frame->num_obj_meta;
}

void nvds_add_display_meta_to_frame(NvDsFrameMeta *frame, NvDsDisplayMeta *display) {
  pools().frame.must_live(frame);
  pools().display.must_live(display);
  const Hold hold(frame->base_meta.batch_meta);
  list_once(&frame->display_meta_list, display, "display");
}

void nvds_add_user_meta_to_batch(NvDsBatchMeta *batch, NvDsUserMeta *user) {
  pools().user.must_live(user);
  const Hold hold(batch);
  list_once(&batch->batch_user_meta_list, user, "user");
}

void nvds_add_user_meta_to_frame(NvDsFrameMeta *frame, NvDsUserMeta *user) {
  pools().frame.must_live(frame);
  pools().user.must_live(user);
  const Hold hold(frame->base_meta.batch_meta);
  list_once(&frame->frame_user_meta_list, user, "user");
}

void nvds_add_user_meta_to_obj(NvDsObjectMeta *object, NvDsUserMeta *user) {
  pools().object.must_live(object);
  pools().user.must_live(user);
  const Hold hold(object->base_meta.batch_meta);
  list_once(&object->obj_user_meta_list, user, "user");
}

void nvds_remove_frame_meta_from_batch(NvDsBatchMeta *batch, NvDsFrameMeta *frame) {
  const Hold hold(batch);
  unlist(&batch->frame_meta_list, frame, "frame");
  --batch->num_frames_in_batch;
  give_frame(frame);
}

void nvds_remove_obj_meta_from_frame(NvDsFrameMeta *frame, NvDsObjectMeta *object) {
  pools().frame.must_live(frame);
  const Hold hold(frame->base_meta.batch_meta);
  unlist(&frame->obj_meta_list, object, "object");
  --frame->num_obj_meta;
  for (GList *l = frame->obj_meta_list; l != nullptr; l = l->next) {
    auto *other = static_cast<NvDsObjectMeta *>(l->data);
    if (other->parent == object) other->parent = nullptr;
  }
  give_object(object);
}

void nvds_remove_display_meta_from_frame(NvDsFrameMeta *frame, NvDsDisplayMeta *display) {
  pools().frame.must_live(frame);
  const Hold hold(frame->base_meta.batch_meta);
  unlist(&frame->display_meta_list, display, "display");
  give_display(display);
}

void nvds_remove_user_meta_from_batch(NvDsBatchMeta *batch, NvDsUserMeta *user) {
  const Hold hold(batch);
  unlist(&batch->batch_user_meta_list, user, "user");
  give_user(user);
}

void nvds_remove_user_meta_from_frame(NvDsFrameMeta *frame, NvDsUserMeta *user) {
  pools().frame.must_live(frame);
  const Hold hold(frame->base_meta.batch_meta);
  unlist(&frame->frame_user_meta_list, user, "user");
  give_user(user);
}

void nvds_remove_user_meta_from_object(NvDsObjectMeta *object, NvDsUserMeta *user) {
  pools().object.must_live(object);
  const Hold hold(object->base_meta.batch_meta);
  unlist(&object->obj_user_meta_list, user, "user");
  give_user(user);
}

NvDsMetaType nvds_get_user_meta_type(gchar *descriptor) {
  static std::mutex mutex;
  static auto *types = new std::map<std::string, int>();
  const std::lock_guard<std::mutex> hold(mutex);
  const auto [entry, fresh] = types->try_emplace(descriptor, NVDS_START_USER_META + static_cast<int>(types->size()) + 1);
  return static_cast<NvDsMetaType>(entry->second);
}
}
