// nvv4l2h264enc: a bin around a software encoder, in a plugin of its own, since an image without it is an image for a card
// without NVENC.
#include "control.h"
#include "elements.h"
#include "properties.h"

namespace {

using namespace standin;

enum { kBitrate = 1, kIframeInterval, kIdrInterval, kInsertSpsPps, kGpuId };
PropertyTable &table() {
  static auto *specs = new PropertyTable();
  return *specs;
}

struct NvV4l2H264Enc {
  GstBin parent;
  Properties *properties;
  GstElement *encoder;
  GstElement *parser;
};
struct NvV4l2H264EncClass {
  GstBinClass parent;
};
G_DEFINE_TYPE(NvV4l2H264Enc, standin_nvv4l2h264enc, GST_TYPE_BIN)

NvV4l2H264Enc *self_of(gpointer object) {
  return reinterpret_cast<NvV4l2H264Enc *>(object);
}

void configure(NvV4l2H264Enc *self) {
  const guint bitrate = self->properties->uint(kBitrate);
  const guint interval = self->properties->uint(kIframeInterval);
  if (g_str_has_prefix(GST_OBJECT_NAME(gst_element_get_factory(self->encoder)), "x264enc") != FALSE) {
    gst_util_set_object_arg(G_OBJECT(self->encoder), "tune", "zerolatency");
    gst_util_set_object_arg(G_OBJECT(self->encoder), "speed-preset", "ultrafast");
    g_object_set(self->encoder, "bitrate", MAX(bitrate / 1000, 1U), "key-int-max", interval, "threads", 1U, nullptr);
  } else {
    g_object_set(self->encoder, "bitrate", bitrate, "gop-size", interval, nullptr);
  }
  g_object_set(self->parser, "config-interval", self->properties->flag(kInsertSpsPps) ? -1 : 0, nullptr);
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition) {
  NvV4l2H264Enc *self = self_of(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    if (self->encoder == nullptr) {
      GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN, ("the stand-in's encoder needs x264enc or openh264enc"), (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
    if (control_flag("/encoder/fail")) {
      GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("Device '/dev/nvhost-msenc' failed during initialization"), (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
    configure(self);
  }
  return GST_ELEMENT_CLASS(standin_nvv4l2h264enc_parent_class)->change_state(element, transition);
}

void finalize(GObject *object) {
  delete self_of(object)->properties;
  G_OBJECT_CLASS(standin_nvv4l2h264enc_parent_class)->finalize(object);
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *) {
  self_of(object)->properties->set(id, value);
}
void get_property(GObject *object, guint id, GValue *value, GParamSpec *) {
  self_of(object)->properties->get(id, value);
}

void standin_nvv4l2h264enc_class_init(NvV4l2H264EncClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  table() = {property_uint("bitrate", 4000000), property_uint("iframeinterval", 30), property_uint("idrinterval", 256),
             property_bool("insert-sps-pps", false), property_uint("gpu-id", 0)};
  install(object, table());
  auto *element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  gst_element_class_set_static_metadata(element, "V4L2 H.264 encoder of the stand-in", "Codec/Encoder/Video/Hardware",
                                        "H.264 on the processor", "Sightline");
  GstCaps *raw = gst_caps_from_string("video/x-raw(memory:NVMM), format=(string){ I420, NV12 }");
  GstCaps *coded = gst_caps_from_string("video/x-h264, stream-format=(string)byte-stream, alignment=(string)au");
  gst_element_class_add_pad_template(element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, raw));
  gst_element_class_add_pad_template(element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, coded));
  gst_caps_unref(raw);
  gst_caps_unref(coded);
}

void add_ghost(NvV4l2H264Enc *self, GstElement *inner, const char *name) {
  GstPad *target = gst_element_get_static_pad(inner, name);
  GstPadTemplate *templ = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name);
  gst_element_add_pad(GST_ELEMENT(self), gst_ghost_pad_new_from_template(name, target, templ));
  gst_object_unref(target);
}

GstElement *filter(const char *caps_text) {
  GstElement *element = gst_element_factory_make("capsfilter", nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "caps", caps_text);
  return element;
}

void standin_nvv4l2h264enc_init(NvV4l2H264Enc *self) {
  self->properties = new Properties(table());
  self->encoder = gst_element_factory_make("x264enc", nullptr);
  if (self->encoder == nullptr) self->encoder = gst_element_factory_make("openh264enc", nullptr);
  self->parser = gst_element_factory_make("h264parse", nullptr);
  GstElement *convert = gst_element_factory_make("nvvideoconvert", nullptr);
  if (self->encoder == nullptr || self->parser == nullptr || convert == nullptr) {
    gst_clear_object(&self->encoder);
    return;
  }
  GstElement *raw = filter("video/x-raw,format=I420");
  GstElement *coded = filter("video/x-h264,stream-format=byte-stream,alignment=au");
  gst_bin_add_many(GST_BIN(self), convert, raw, self->encoder, self->parser, coded, nullptr);
  gst_element_link_many(convert, raw, self->encoder, self->parser, coded, nullptr);
  add_ghost(self, convert, "sink");
  add_ghost(self, coded, "src");
}

gboolean register_encoder(GstPlugin *plugin) {
  return gst_element_register(plugin, "nvv4l2h264enc", GST_RANK_NONE, standin_nvv4l2h264enc_get_type());
}

} // namespace

#define PACKAGE "sightline-standin"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, nvstandinenc, "DeepStream's encoder on the processor, for tests",
                  register_encoder, "1", "Proprietary", PACKAGE, "https://example.invalid/")
