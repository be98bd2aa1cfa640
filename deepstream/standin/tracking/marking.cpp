#include "tracking/marking.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "metadata.h"

namespace standin {

namespace {

/** Cut to the frame; nothing where none of it is left. */
std::optional<TrackBox> clipped(TrackBox box, float width, float height) {
  if (box.left < 0) {
    box.width += box.left;
    box.left = 0;
  }
  if (box.top < 0) {
    box.height += box.top;
    box.top = 0;
  }
  if (box.left >= width || box.top >= height || box.width <= 0 || box.height <= 0) return std::nullopt;
  box.width = std::min(box.width, width - box.left);
  box.height = std::min(box.height, height - box.top);
  return box;
}

TrackBox scaled(const TrackBox &box, float x, float y) {
  return {box.left * x, box.top * y, box.width * x, box.height * y};
}

NvBbox_Coords coords_of(const TrackBox &box) {
  return {box.left, box.top, box.width, box.height};
}

} // namespace

StreamTracker &Streams::of(guint pad) {
  auto found = trackers_.find(pad);
  if (found == trackers_.end()) {
    const uint64_t upper = settings_.unique_ids ? static_cast<uint64_t>(random_()) << 32U : 0;
    const auto known = next_ids_.find(pad);
    found = trackers_.emplace(pad, StreamTracker(settings_, known == next_ids_.end() ? upper : known->second)).first;
  }
  return found->second;
}

void Streams::remove(guint pad) {
  const auto found = trackers_.find(pad);
  if (found == trackers_.end()) return;
  next_ids_[pad] = found->second.next_id();
  trackers_.erase(found);
}

void Marker::mark(const NvBufSurface *surface, NvDsBatchMeta *batch, Streams &streams) {
  const MetaLock lock(batch);
  for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next) {
    auto *frame = static_cast<NvDsFrameMeta *>(l->data);
    mark_frame(surface->surfaceList[frame->batch_id], frame, streams.of(frame->pad_index));
  }
}

bool Marker::is_tracked(const NvDsObjectMeta *object) const {
  return settings_.class_ids.empty() || settings_.class_ids.count(object->class_id) != 0;
}

void Marker::remember(const NvDsObjectMeta *object) {
  if (classes_.count(object->class_id) != 0) return;
  const gchar *text = object->text_params.display_text;
  classes_[object->class_id] = {object->rect_params, object->text_params, text == nullptr ? "" : text, object->obj_label,
                                object->unique_component_id};
}

uint64_t Marker::told_id(guint pad, uint64_t id) {
  const uint64_t first = first_ids_.emplace(pad, id).first->second;
  constexpr uint64_t kUpper = 0xffffffff00000000;
  return settings_.ids_from_zero ? (id & kUpper) + static_cast<guint32>(id - first) : id;
}

void Marker::mark_frame(const NvBufSurfaceParams &surface, NvDsFrameMeta *frame, StreamTracker &tracker) {
  const auto width = static_cast<float>(surface.width);
  const auto height = static_cast<float>(surface.height);
  const float scale_x = width / static_cast<float>(settings_.width);
  const float scale_y = height / static_cast<float>(settings_.height);
  std::vector<TrackInput> inputs;
  std::vector<NvDsObjectMeta *> objects;
  for (GList *l = frame->obj_meta_list; l != nullptr; l = l->next) {
    auto *object = static_cast<NvDsObjectMeta *>(l->data);
    if (!is_tracked(object)) continue;
    const NvOSD_RectParams &rect = object->rect_params;
    inputs.push_back({object->class_id, object->confidence,
                      scaled({rect.left, rect.top, rect.width, rect.height}, 1 / scale_x, 1 / scale_y)});
    objects.push_back(object);
    remember(object);
  }
  for (const TrackOutput &track : tracker.update(inputs, frame->bInferDone != FALSE)) {
    const TrackBox whole = scaled(track.box, scale_x, scale_y);
    const auto box = clipped(whole, width, height);
    NvDsObjectMeta *object = track.input.has_value() ? objects[*track.input] : nullptr;
    if (!box.has_value()) {
      if (object != nullptr) nvds_remove_obj_meta_from_frame(frame, object);
      continue;
    }
    if (object == nullptr) object = invented(frame, track);
    object->object_id = told_id(frame->pad_index, track.id);
    object->rect_params.left = box->left;
    object->rect_params.top = box->top;
    object->rect_params.width = box->width;
    object->rect_params.height = box->height;
    object->tracker_bbox_info.org_bbox_coords = coords_of(whole);
    object->tracker_confidence = 1;
    write_text(object);
  }
  // What has no track goes; with a choice of classes all of it stays.
  if (!settings_.class_ids.empty()) return;
  for (GList *l = frame->obj_meta_list; l != nullptr;) {
    auto *object = static_cast<NvDsObjectMeta *>(l->data);
    l = l->next;
    if (object->object_id == UNTRACKED_OBJECT_ID) nvds_remove_obj_meta_from_frame(frame, object);
  }
}

/** An object that no detector found on this frame: dressed as the first one of its class, with a confidence that none has. */
NvDsObjectMeta *Marker::invented(NvDsFrameMeta *frame, const TrackOutput &track) const {
  NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(frame->base_meta.batch_meta);
  const auto known = classes_.find(track.class_id);
  if (known != classes_.end()) {
    object->rect_params = known->second.rect;
    object->text_params = known->second.text;
    object->text_params.display_text = g_strdup(known->second.display_text.c_str());
    object->unique_component_id = known->second.unique_component_id;
    g_strlcpy(object->obj_label, known->second.label.c_str(), MAX_LABEL_SIZE);
  }
  object->detector_bbox_info.org_bbox_coords = {0, 0, 0, 0};
  object->confidence = -0.1F;
  object->class_id = track.class_id;
  nvds_add_obj_meta_to_frame(frame, object, nullptr);
  return object;
}

void Marker::write_text(NvDsObjectMeta *object) const {
  static gchar font[] = "Serif";
  NvOSD_TextParams &text = object->text_params;
  text.font_params.font_name = font;
  text.font_params.font_size = 10;
  text.font_params.font_color = {1, 1, 1, 1};
  text.set_bg_clr = 1;
  text.text_bg_clr = {0, 0, 0, 1};
  if (settings_.display_id) {
    gchar *before = text.display_text;
    text.display_text = g_strdup_printf("%s %" G_GUINT64_FORMAT, before == nullptr ? "(null)" : before, object->object_id);
    g_free(before);
  }
  text.x_offset = text_offset(object->rect_params.left);
  text.y_offset = text_offset(object->rect_params.top - 20);
}

} // namespace standin
