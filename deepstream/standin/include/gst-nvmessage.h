/* DeepStream's own messages, written anew for the stand-in. */
#ifndef STANDIN_GST_NVMESSAGE_H
#define STANDIN_GST_NVMESSAGE_H

#include <gst/gst.h>

G_BEGIN_DECLS

GstMessage *gst_nvmessage_new_stream_eos(GstObject *obj, guint stream_id);
gboolean gst_nvmessage_is_stream_eos(GstMessage *message);
gboolean gst_nvmessage_parse_stream_eos(GstMessage *message, guint *stream_id);

G_END_DECLS
#endif
