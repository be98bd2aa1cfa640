#include "clean_units.h"

#include <cstring>

#include "clocks.h"
#include "segment_time.h"

namespace sightline::app {
namespace {

/** Half of what the media door takes; real ones have some hundred bytes. */
constexpr std::size_t sets_limit_bytes = 32 << 10;
/** A parser that gave nothing for so long is not the one that decoding uses any more. */
constexpr std::int64_t parser_idle_us = 1'000'000;

} // namespace

void CleanUnits::watch(GstElement *element) {
  const GstElementFactory *factory = gst_element_get_factory(element);
  const char *name = factory == nullptr ? "" : GST_OBJECT_NAME(factory);
  const auto is_one_of = [name](const char *h264, const char *h265) {
    return std::strcmp(name, h264) == 0 || std::strcmp(name, h265) == 0;
  };
  const bool unpacks = is_one_of("rtph264depay", "rtph265depay");
  if (!unpacks && !is_one_of("h264parse", "h265parse")) return;
  const PadRef pad(gst_element_get_static_pad(element, "src"));
  if (pad == nullptr) return;
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, unpacks ? on_arrival : on_unit, this, nullptr);
}

GstPadProbeReturn CleanUnits::on_arrival(GstPad *pad, GstPadProbeInfo *info, gpointer self) {
  const auto pts = running_time(pad, GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
  if (pts) static_cast<CleanUnits *>(self)->arrivals_.add(*pts, mono_us());
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn CleanUnits::on_unit(GstPad *pad, GstPadProbeInfo *info, gpointer self) {
  return static_cast<CleanUnits *>(self)->take(pad, GST_PAD_PROBE_INFO_BUFFER(info)) ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/** The parser says how units are written, and may say it anew. */
void CleanUnits::read_caps(GstPad *pad) {
  CapsRef caps(gst_pad_get_current_caps(pad));
  if (caps == nullptr || (caps_ != nullptr && gst_caps_is_equal(caps.get(), caps_.get()))) return;
  const GstStructure *structure = gst_caps_get_structure(caps.get(), 0);
  coding_ = gst_structure_has_name(structure, "video/x-h265") ? Coding::h265 : Coding::h264;
  const char *codec = coding_ == Coding::h265 ? "h265" : "h264";
  camera_.codec = codec;
  CodecConfiguration configuration;
  usable_ = true;
  const GValue *data = gst_structure_get_value(structure, "codec_data");
  if (data != nullptr) {
    const MappedBuffer bytes(gst_value_get_buffer(data));
    const auto read = read_configuration({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, coding_);
    usable_ = read.has_value() && read->parameter_sets.size() <= sets_limit_bytes;
    if (usable_) configuration = *read;
  }
  length_bytes_ = configuration.length_bytes;
  int width = 0;
  int height = 0;
  gst_structure_get_int(structure, "width", &width);
  gst_structure_get_int(structure, "height", &height);
  int frames = 0;
  int per_seconds = 0;
  if (gst_structure_get_fraction(structure, "framerate", &frames, &per_seconds) && per_seconds > 0)
    meter_.declare(static_cast<double>(frames) / per_seconds);
  format_ = std::make_shared<StreamFormat>(StreamFormat{codec, static_cast<std::uint32_t>(std::max(0, width)),
                                                        static_cast<std::uint32_t>(std::max(0, height)),
                                                        configuration.parameter_sets, camera_.config.revision});
  caps_ = std::move(caps);
}

bool CleanUnits::take(GstPad *pad, GstBuffer *buffer) {
  const bool key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  const auto now_us = mono_us();
  const std::lock_guard lock(mutex_);
  // Decoding may have two parsers one behind the other, and makes new ones with a reset: one of them gives the units.
  const bool other = parser_ != nullptr && parser_.get() != pad;
  if (other && gst_pad_is_active(parser_.get()) && now_us - taken_us_ < parser_idle_us) return true;
  if (parser_.get() != pad) parser_.reset(static_cast<GstPad *>(gst_object_ref(pad)));
  taken_us_ = now_us;
  read_caps(pad);
  const auto pts = running_time(pad, GST_BUFFER_PTS(buffer));
  meter_.add(pts ? std::optional(static_cast<double>(*pts) / 1e6) : std::nullopt, gst_buffer_get_size(buffer), key);
  pass_on(pad, buffer, pts, key, now_us);
  const auto arrived_us = pts ? arrivals_.take(*pts) : std::nullopt;
  const auto waited_us = arrived_us ? std::optional(now_us - *arrived_us) : std::nullopt;
  if (!camera_.live || !backlog_.skips(key, waited_us, now_us)) return true;
  camera_.units_skipped.fetch_add(1, std::memory_order_relaxed);
  camera_.skipped_us.store(now_us, std::memory_order_relaxed);
  return false;
}

void CleanUnits::pass_on(GstPad *pad, GstBuffer *buffer, std::optional<std::int64_t> pts, bool key, std::int64_t now_us) {
  // Files at full speed are nothing to watch.
  if (media_ == nullptr || !usable_ || format_ == nullptr || (!camera_.live && !camera_.config.realtime)) return;
  const MappedBuffer bytes(buffer);
  auto data = bytes ? to_annex_b({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, length_bytes_) : std::nullopt;
  if (!data) {
    camera_.units_dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto sets = key ? parameter_sets_of(*data, coding_) : std::string();
  if (!sets.empty() && sets.size() <= sets_limit_bytes && sets != format_->parameter_sets) {
    StreamFormat renewed = *format_;
    renewed.parameter_sets = std::move(sets);
    format_ = std::make_shared<StreamFormat>(std::move(renewed));
  }
  send(clock_.push({pts, running_time(pad, GST_BUFFER_DTS(buffer)), key, now_us, std::move(*data)}));
}

void CleanUnits::opened() {
  const std::lock_guard lock(mutex_);
  meter_ = {};
  backlog_ = {};
  // The next unit's description says how many frames a second it declares.
  caps_.reset();
}

StreamFacts CleanUnits::facts() const {
  const std::lock_guard lock(mutex_);
  return meter_.facts();
}

void CleanUnits::shown(const ShownFrame &frame) {
  if (media_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (format_ == nullptr) return;
  send(clock_.shown(frame));
}

void CleanUnits::send(std::vector<ClockedUnit> units) {
  for (auto &unit : units) media_->send(camera_.index, wire::Variant::clean, format_, std::move(unit));
  camera_.units_dropped.store(clock_.dropped(), std::memory_order_relaxed);
}

} // namespace sightline::app
