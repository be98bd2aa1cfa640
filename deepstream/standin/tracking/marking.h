// What nvtracker does to the metadata of a batch once it knows the tracks.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>

#include "nvbufsurface.h"
#include "nvdsmeta.h"
#include "tracking/association.h"

namespace standin {

/** The tracker of each stream, by its pad of the multiplexer. */
class Streams {
public:
  explicit Streams(const TrackerSettings &settings) : settings_(settings) {}
  StreamTracker &of(guint pad);
  /** Its tracks end. Ids go on where they were. */
  void remove(guint pad);

private:
  TrackerSettings settings_;
  std::map<guint, StreamTracker> trackers_;
  std::map<guint, uint64_t> next_ids_;
  std::mt19937 random_{std::random_device{}()};
};

struct MarkingSettings {
  guint width = 960;
  guint height = 544;
  bool display_id = true;
  /** Empty: objects of every class. */
  std::set<gint> class_ids;
  /** Ids of a stream are counted from its first one on (tracking-id-reset-mode 2 and 3). */
  bool ids_from_zero = false;
};

class Marker {
public:
  explicit Marker(MarkingSettings settings) : settings_(std::move(settings)) {}
  void mark(const NvBufSurface *surface, NvDsBatchMeta *batch, Streams &streams);
  void forget_ids(guint pad) { first_ids_.erase(pad); }

private:
  /** Of the first object of a class that was ever seen, whatever the stream and whichever detector found it. */
  struct ClassInfo {
    NvOSD_RectParams rect;
    NvOSD_TextParams text;
    std::string display_text;
    std::string label;
    gint unique_component_id;
  };

  void mark_frame(const NvBufSurfaceParams &surface, NvDsFrameMeta *frame, StreamTracker &tracker);
  bool is_tracked(const NvDsObjectMeta *object) const;
  void remember(const NvDsObjectMeta *object);
  NvDsObjectMeta *invented(NvDsFrameMeta *frame, const TrackOutput &track) const;
  void write_text(NvDsObjectMeta *object) const;
  uint64_t told_id(guint pad, uint64_t id);

  MarkingSettings settings_;
  std::map<gint, ClassInfo> classes_;
  std::map<guint, uint64_t> first_ids_;
};

} // namespace standin
