/* DeepStream's own events, written anew for the stand-in. */
#ifndef STANDIN_GST_NVEVENT_H
#define STANDIN_GST_NVEVENT_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define STANDIN_NVEVENT(number)                                                                                                \
  GST_EVENT_MAKE_TYPE(number, GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED | GST_EVENT_TYPE_STICKY |                  \
                                  GST_EVENT_TYPE_STICKY_MULTI)

typedef enum {
  GST_NVEVENT_PAD_ADDED = STANDIN_NVEVENT(400),
  GST_NVEVENT_PAD_DELETED = STANDIN_NVEVENT(401),
  GST_NVEVENT_STREAM_EOS = STANDIN_NVEVENT(402),
  GST_NVEVENT_STREAM_SEGMENT = STANDIN_NVEVENT(403),
  GST_NVEVENT_STREAM_RESET = STANDIN_NVEVENT(404),
  GST_NVEVENT_STREAM_START = STANDIN_NVEVENT(405),
} GstNvEventType;

GstEvent *gst_nvevent_new_pad_added(guint source_id);
GstEvent *gst_nvevent_new_pad_deleted(guint source_id);
GstEvent *gst_nvevent_new_stream_eos(guint source_id);
GstEvent *gst_nvevent_new_stream_reset(guint source_id);
void gst_nvevent_parse_pad_added(GstEvent *event, guint *source_id);
void gst_nvevent_parse_pad_deleted(GstEvent *event, guint *source_id);
void gst_nvevent_parse_stream_eos(GstEvent *event, guint *source_id);
void gst_nvevent_parse_stream_reset(GstEvent *event, guint *source_id);

G_END_DECLS
#endif
