// nvstreamdemux: each source's frames on a pad of their own, with their metadata, over the batch's own pixels.
#include <cstdio>
#include <map>
#include <mutex>

#include <gst/base/gstflowcombiner.h>

#include "elements.h"
#include "frames.h"
#include "gst-nvevent.h"
#include "gstnvdsmeta.h"
#include "metas.h"

namespace {

using namespace standin;

struct Output {
  GstPad *pad;
  bool started;
};

struct Demux {
  std::mutex mutex;
  std::map<uint32_t, Output> outputs;
  GstFlowCombiner *flows = gst_flow_combiner_new();
  GstCaps *caps = nullptr;
};

struct NvStreamDemux {
  GstElement parent;
  GstPad *sink;
  Demux *demux;
};
struct NvStreamDemuxClass {
  GstElementClass parent;
};
G_DEFINE_TYPE(NvStreamDemux, standin_nvstreamdemux, GST_TYPE_ELEMENT)

NvStreamDemux *self_of(gpointer object) {
  return static_cast<NvStreamDemux *>(object);
}
uint32_t index_of(GstPad *pad) {
  return GPOINTER_TO_UINT(gst_pad_get_element_private(pad));
}

/** The pad of a source, started; nullptr for a source that nobody asked for. With a reference. */
GstPad *output_of(NvStreamDemux *self, uint32_t index) {
  Demux *demux = self->demux;
  GstPad *pad = nullptr;
  GstCaps *caps = nullptr;
  {
    const std::lock_guard<std::mutex> hold(demux->mutex);
    const auto at = demux->outputs.find(index);
    if (at == demux->outputs.end()) return nullptr;
    pad = static_cast<GstPad *>(gst_object_ref(at->second.pad));
    if (at->second.started || demux->caps == nullptr) return pad;
    at->second.started = true;
    caps = gst_caps_ref(demux->caps);
  }
  gchar *id = g_strdup_printf("nvstreamdemux/%u", index);
  gst_pad_push_event(pad, gst_event_new_stream_start(id));
  g_free(id);
  gst_pad_push_event(pad, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad, gst_event_new_segment(&segment));
  return pad;
}

/** A buffer of one frame: a view of its pixels and a copy of its metadata. */
GstBuffer *one_frame(GstBuffer *batch, const NvDsFrameMeta *frame) {
  GstBuffer *one = gst_buffer_new();
  gst_buffer_append_memory(one, nvmm_view(gst_buffer_peek_memory(batch, 0), frame->batch_id));
  NvDsBatchMeta *meta = nvds_create_batch_meta(1);
  copy_frame(meta, frame)->batch_id = 0;
  gst_buffer_add_nvds_meta(one, meta, nullptr, nvds_batch_meta_copy_func, nvds_batch_meta_release_func)->meta_type =
      NVDS_BATCH_GST_META;
  GST_BUFFER_PTS(one) = frame->buf_pts;
  return one;
}

GstFlowReturn chain(GstPad *, GstObject *parent, GstBuffer *batch) {
  NvStreamDemux *self = self_of(parent);
  const NvBufSurface *surface = surface_of(batch);
  NvDsBatchMeta *meta = gst_buffer_get_nvds_batch_meta(batch);
  if (surface == nullptr || meta == nullptr) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("Batch meta not found for buffer"), (nullptr));
    gst_buffer_unref(batch);
    return GST_FLOW_ERROR;
  }
  GstFlowReturn flow = GST_FLOW_OK;
  for (GList *l = meta->frame_meta_list; l != nullptr && flow == GST_FLOW_OK; l = l->next) {
    const auto *frame = static_cast<const NvDsFrameMeta *>(l->data);
    GstPad *pad = output_of(self, frame->pad_index);
    if (pad == nullptr) continue;
    nvds_acquire_meta_lock(meta);
    GstBuffer *one = one_frame(batch, frame);
    nvds_release_meta_lock(meta);
    const GstFlowReturn pushed = gst_pad_push(pad, one);
    const std::lock_guard<std::mutex> hold(self->demux->mutex);
    // One viewer's branch that ended or is not linked is no reason to end the others.
    flow = self->demux->outputs.count(frame->pad_index) == 0
               ? GST_FLOW_OK
               : gst_flow_combiner_update_pad_flow(self->demux->flows, pad, pushed);
    if (flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_EOS) flow = GST_FLOW_OK;
    gst_object_unref(pad);
  }
  gst_buffer_unref(batch);
  return flow;
}

void take_caps(Demux *demux, GstEvent *event) {
  GstCaps *caps = nullptr;
  gst_event_parse_caps(event, &caps);
  caps = gst_caps_copy(caps);
  gst_structure_remove_fields(gst_caps_get_structure(caps, 0), "batch-size", "num-surfaces-per-frame", nullptr);
  const std::lock_guard<std::mutex> hold(demux->mutex);
  gst_caps_replace(&demux->caps, caps);
  gst_caps_unref(caps);
  for (auto &[index, output] : demux->outputs) output.started = false;
}

gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event) {
  NvStreamDemux *self = self_of(parent);
  guint source = 0;
  switch (static_cast<guint>(GST_EVENT_TYPE(event))) {
  case GST_EVENT_CAPS:
    take_caps(self->demux, event);
    break;
  case GST_EVENT_STREAM_START:
  case GST_EVENT_SEGMENT:
    break;
  case GST_NVEVENT_STREAM_EOS: {
    gst_nvevent_parse_stream_eos(event, &source);
    GstPad *output = output_of(self, source);
    if (output == nullptr) break;
    gst_pad_push_event(output, gst_event_new_eos());
    gst_object_unref(output);
    break;
  }
  case GST_NVEVENT_PAD_ADDED:
  case GST_NVEVENT_PAD_DELETED:
  case GST_NVEVENT_STREAM_RESET:
    break;
  default:
    return gst_pad_event_default(pad, parent, event);
  }
  gst_event_unref(event);
  return TRUE;
}

gboolean sink_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) return FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_CAPS) return gst_pad_query_default(pad, parent, query);
  GstCaps *caps = gst_pad_get_pad_template_caps(pad);
  gst_query_set_caps_result(query, caps);
  gst_caps_unref(caps);
  return TRUE;
}

GstPad *request_pad(GstElement *element, GstPadTemplate *templ, const gchar *name, const GstCaps *) {
  Demux *demux = self_of(element)->demux;
  unsigned index = 0;
  if (name == nullptr || std::sscanf(name, "src_%u", &index) != 1) return nullptr;
  GstPad *pad = gst_pad_new_from_template(templ, name);
  gst_pad_set_element_private(pad, GUINT_TO_POINTER(index));
  gst_pad_use_fixed_caps(pad);
  {
    const std::lock_guard<std::mutex> hold(demux->mutex);
    if (demux->outputs.count(index) != 0) {
      gst_object_unref(gst_object_ref_sink(pad));
      return nullptr;
    }
    demux->outputs[index] = {pad, false};
    gst_flow_combiner_add_pad(demux->flows, pad);
  }
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element, pad);
  return pad;
}

void release_pad(GstElement *element, GstPad *pad) {
  Demux *demux = self_of(element)->demux;
  gst_pad_set_active(pad, FALSE);
  {
    const std::lock_guard<std::mutex> hold(demux->mutex);
    demux->outputs.erase(index_of(pad));
    gst_flow_combiner_remove_pad(demux->flows, pad);
  }
  gst_element_remove_pad(element, pad);
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition) {
  const GstStateChangeReturn changed = GST_ELEMENT_CLASS(standin_nvstreamdemux_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    Demux *demux = self_of(element)->demux;
    const std::lock_guard<std::mutex> hold(demux->mutex);
    gst_flow_combiner_reset(demux->flows);
    for (auto &[index, output] : demux->outputs) output.started = false;
  }
  return changed;
}

void finalize(GObject *object) {
  Demux *demux = self_of(object)->demux;
  gst_flow_combiner_free(demux->flows);
  gst_caps_replace(&demux->caps, nullptr);
  delete demux;
  G_OBJECT_CLASS(standin_nvstreamdemux_parent_class)->finalize(object);
}

void standin_nvstreamdemux_class_init(NvStreamDemuxClass *klass) {
  G_OBJECT_CLASS(klass)->finalize = finalize;
  auto *element = GST_ELEMENT_CLASS(klass);
  element->request_new_pad = request_pad;
  element->release_pad = release_pad;
  element->change_state = change_state;
  gst_element_class_set_static_metadata(element, "Stream demultiplexer of the stand-in", "1-to-N pipe stream demuxing",
                                        "each source's frames on a pad of their own", "Sightline");
  GstCaps *caps = gst_caps_from_string(kNvmmCaps);
  gst_element_class_add_pad_template(element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(element, gst_pad_template_new("src_%u", GST_PAD_SRC, GST_PAD_REQUEST, caps));
  gst_caps_unref(caps);
}

void standin_nvstreamdemux_init(NvStreamDemux *self) {
  self->demux = new Demux();
  self->sink = gst_pad_new_from_template(gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), "sink"), "sink");
  gst_pad_set_chain_function(self->sink, chain);
  gst_pad_set_event_function(self->sink, sink_event);
  gst_pad_set_query_function(self->sink, sink_query);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvstreamdemux, "nvstreamdemux", GST_RANK_NONE, standin_nvstreamdemux_get_type())
