// DeepStream's own events and messages, and its version.
#include "gst-nvevent.h"
#include "gst-nvmessage.h"
#include "nvds_version.h"

namespace {

constexpr const char *kSourceId = "source-id";
constexpr const char *kStreamEos = "stream-eos";
constexpr const char *kStreamId = "stream-id";

GstEvent *make(GstNvEventType type, const char *name, guint source_id) {
  return gst_event_new_custom(static_cast<GstEventType>(type),
                              gst_structure_new(name, kSourceId, G_TYPE_UINT, source_id, nullptr));
}

void parse(GstEvent *event, GstNvEventType type, guint *source_id) {
  g_return_if_fail(GST_IS_EVENT(event));
  g_return_if_fail(GST_EVENT_TYPE(event) == static_cast<GstEventType>(type));
  if (source_id != nullptr) gst_structure_get_uint(gst_event_get_structure(event), kSourceId, source_id);
}

} // namespace

extern "C" {

GstEvent *gst_nvevent_new_pad_added(guint source_id) {
  return make(GST_NVEVENT_PAD_ADDED, "nv-pad-added", source_id);
}
GstEvent *gst_nvevent_new_pad_deleted(guint source_id) {
  return make(GST_NVEVENT_PAD_DELETED, "nv-pad-deleted", source_id);
}
GstEvent *gst_nvevent_new_stream_eos(guint source_id) {
  return make(GST_NVEVENT_STREAM_EOS, "nv-stream-eos", source_id);
}
GstEvent *gst_nvevent_new_stream_reset(guint source_id) {
  return make(GST_NVEVENT_STREAM_RESET, "nv-stream-reset", source_id);
}

void gst_nvevent_parse_pad_added(GstEvent *event, guint *source_id) {
  parse(event, GST_NVEVENT_PAD_ADDED, source_id);
}
void gst_nvevent_parse_pad_deleted(GstEvent *event, guint *source_id) {
  parse(event, GST_NVEVENT_PAD_DELETED, source_id);
}
void gst_nvevent_parse_stream_eos(GstEvent *event, guint *source_id) {
  parse(event, GST_NVEVENT_STREAM_EOS, source_id);
}
void gst_nvevent_parse_stream_reset(GstEvent *event, guint *source_id) {
  parse(event, GST_NVEVENT_STREAM_RESET, source_id);
}

GstMessage *gst_nvmessage_new_stream_eos(GstObject *obj, guint stream_id) {
  return gst_message_new_element(obj, gst_structure_new(kStreamEos, kStreamId, G_TYPE_UINT, stream_id, nullptr));
}

gboolean gst_nvmessage_is_stream_eos(GstMessage *message) {
  return GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT && gst_message_has_name(message, kStreamEos) ? TRUE : FALSE;
}

gboolean gst_nvmessage_parse_stream_eos(GstMessage *message, guint *stream_id) {
  if (gst_nvmessage_is_stream_eos(message) == FALSE) return FALSE;
  return gst_structure_get_uint(gst_message_get_structure(message), kStreamId, stream_id);
}

void nvds_version(unsigned int *major, unsigned int *minor) {
  *major = 9;
  *minor = 1;
}
}
