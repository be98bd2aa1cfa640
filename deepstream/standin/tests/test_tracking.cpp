// The tracker's decisions and what they do to metadata.
#include <catch2/catch.hpp>

#include <fstream>

#include <gst/gst.h>
#include <unistd.h>

#include "tracking/marking.h"

namespace {

using standin::StreamTracker;
using standin::TrackerSettings;
using standin::TrackInput;

TrackerSettings at_once() {
  TrackerSettings settings;
  settings.probation_age = 0;
  return settings;
}

TrackInput input(float left, int class_id = 0) {
  return {class_id, 0.9F, {left, 10, 40, 80}};
}

/** A batch of one frame, on a surface of the multiplexer's size. */
class OneFrame {
public:
  explicit OneFrame(bool looked_at) {
    params_.width = 1920;
    params_.height = 1080;
    surface_.batchSize = surface_.numFilled = 1;
    surface_.surfaceList = &params_;
    batch_ = nvds_create_batch_meta(1);
    frame_ = nvds_acquire_frame_meta_from_pool(batch_);
    frame_->bInferDone = looked_at ? TRUE : FALSE;
    nvds_add_frame_meta_to_batch(batch_, frame_);
  }
  ~OneFrame() { nvds_destroy_batch_meta(batch_); }
  OneFrame(const OneFrame &) = delete;
  OneFrame &operator=(const OneFrame &) = delete;

  NvDsObjectMeta *add(float left, float top, const char *label, gint component = 1) {
    NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(batch_);
    object->class_id = 0;
    object->confidence = 0.8F;
    object->unique_component_id = component;
    object->rect_params.left = left;
    object->rect_params.top = top;
    object->rect_params.width = 100;
    object->rect_params.height = 200;
    object->detector_bbox_info.org_bbox_coords = {left, top, 100, 200};
    g_strlcpy(object->obj_label, label, MAX_LABEL_SIZE);
    object->text_params.display_text = g_strdup(label);
    nvds_add_obj_meta_to_frame(frame_, object, nullptr);
    return object;
  }
  void mark(standin::Marker &marker, standin::Streams &streams) { marker.mark(&surface_, batch_, streams); }
  std::vector<NvDsObjectMeta *> objects() const {
    std::vector<NvDsObjectMeta *> all;
    for (GList *l = frame_->obj_meta_list; l != nullptr; l = l->next) all.push_back(static_cast<NvDsObjectMeta *>(l->data));
    return all;
  }

private:
  NvBufSurfaceParams params_{};
  NvBufSurface surface_{};
  NvDsBatchMeta *batch_;
  NvDsFrameMeta *frame_;
};

standin::MarkingSettings plain() {
  standin::MarkingSettings settings;
  settings.display_id = false;
  return settings;
}

} // namespace

TEST_CASE("the same box is the same track, another one a new one") {
  StreamTracker tracker(at_once(), 0);
  const auto first = tracker.update({input(100), input(400)}, true);
  const auto second = tracker.update({input(410), input(105)}, true);
  REQUIRE(first.size() == 2);
  REQUIRE(second.size() == 2);
  for (const auto &track : second) CHECK(track.id == (*track.input == 1 ? first[0].id : first[1].id));
  CHECK(tracker.update({input(800)}, true).at(0).id == 2);
}

TEST_CASE("a track is told after its probation, and one that is lost early is no track") {
  TrackerSettings settings;
  settings.probation_age = 2;
  settings.early_termination_age = 1;
  StreamTracker tracker(settings, 0);
  CHECK(tracker.update({input(100)}, true).empty());
  CHECK(tracker.update({input(100)}, true).empty());
  CHECK(tracker.update({input(100)}, true).size() == 1);
  CHECK(tracker.update({input(500), input(100)}, true).size() == 1);
  tracker.update({input(100)}, true);
  tracker.update({input(100)}, true);
  // The box at 500 was missed twice: it begins anew.
  CHECK(tracker.update({input(500), input(100)}, true).size() == 1);
}

TEST_CASE("a track that is not found goes on unseen, and ends after its age") {
  TrackerSettings settings = at_once();
  settings.max_shadow_age = 2;
  StreamTracker tracker(settings, 0);
  const auto id = tracker.update({input(100)}, true).at(0).id;
  CHECK(tracker.update({}, true).empty());
  CHECK(tracker.update({}, true).empty());
  CHECK(tracker.update({input(100)}, true).at(0).id == id);
  for (int i = 0; i < 3; ++i) tracker.update({}, true);
  CHECK(tracker.update({input(100)}, true).at(0).id != id);
}

TEST_CASE("a frame that nobody looked at has every told track, guessed") {
  TrackerSettings settings = at_once();
  settings.estimates = true;
  StreamTracker tracker(settings, 0);
  for (int i = 0; i < 6; ++i) tracker.update({input(100 + 10.0F * static_cast<float>(i))}, true);
  const auto guess = tracker.update({}, false);
  REQUIRE(guess.size() == 1);
  CHECK_FALSE(guess[0].input.has_value());
  CHECK(guess[0].box.left > 152);
  CHECK(guess[0].box.left < 165);
}

TEST_CASE("classes are kept apart unless the configuration says otherwise") {
  TrackerSettings settings = at_once();
  StreamTracker apart(settings, 0);
  apart.update({input(100, 0)}, true);
  CHECK(apart.update({input(100, 1)}, true).at(0).id == 1);
  settings.check_class = false;
  StreamTracker together(settings, 0);
  together.update({input(100, 0)}, true);
  CHECK(together.update({input(100, 1)}, true).at(0).id == 0);
}

TEST_CASE("what has no track is removed, what has one keeps its detector's box") {
  standin::Streams streams{TrackerSettings{}};
  standin::Marker marker(plain());
  OneFrame frame(true);
  frame.add(100, 100, "person");
  frame.mark(marker, streams);
  CHECK(frame.objects().empty());

  standin::Streams bold{at_once()};
  OneFrame other(true);
  other.add(100, 100, "person");
  other.mark(marker, bold);
  REQUIRE(other.objects().size() == 1);
  CHECK(other.objects()[0]->object_id == 0);
  CHECK(other.objects()[0]->confidence == 0.8F);
  CHECK(other.objects()[0]->tracker_confidence > 0);
}

TEST_CASE("boxes are cut to the frame, whole ones stay beside them, and those outside go") {
  standin::Streams streams{at_once()};
  standin::Marker marker(plain());
  OneFrame frame(true);
  frame.add(-30, 100, "person");
  frame.add(2000, 100, "person");
  frame.mark(marker, streams);
  REQUIRE(frame.objects().size() == 1);
  const NvDsObjectMeta *object = frame.objects()[0];
  CHECK(object->rect_params.left == 0);
  CHECK(object->rect_params.width == Approx(70).margin(0.01));
  CHECK(object->tracker_bbox_info.org_bbox_coords.left == Approx(-30).margin(0.01));
  CHECK(object->tracker_bbox_info.org_bbox_coords.width == Approx(100).margin(0.01));
}

TEST_CASE("an invented object has no detector's box, a confidence below 0 and the clothes of the first of its class") {
  standin::Streams streams{at_once()};
  standin::Marker marker(plain());
  {
    OneFrame frame(true);
    frame.add(100, 100, "face", 1);
    frame.add(600, 100, "person", 2);
    frame.mark(marker, streams);
  }
  OneFrame frame(false);
  frame.mark(marker, streams);
  REQUIRE(frame.objects().size() == 2);
  for (const NvDsObjectMeta *object : frame.objects()) {
    CHECK(object->confidence == -0.1F);
    CHECK(object->detector_bbox_info.org_bbox_coords.width == 0);
    // Both detectors call their class 0: whose object it is, is lost.
    CHECK(std::string(object->obj_label) == "face");
    CHECK(object->unique_component_id == 1);
  }
}

TEST_CASE("the id is written behind the text where it is asked for") {
  standin::Streams streams{at_once()};
  standin::Marker marker{standin::MarkingSettings{}};
  OneFrame frame(true);
  frame.add(100, 10, "person");
  frame.mark(marker, streams);
  CHECK(std::string(frame.objects().at(0)->text_params.display_text) == "person 0");
  // Above the frame an unsigned offset is very large.
  CHECK(frame.objects()[0]->text_params.y_offset > 4000000000U);
}

TEST_CASE("classes that nobody asked for are neither tracked nor removed") {
  standin::MarkingSettings settings = plain();
  settings.class_ids = {7};
  standin::Streams streams{at_once()};
  standin::Marker marker(settings);
  OneFrame frame(true);
  frame.add(100, 100, "person");
  frame.mark(marker, streams);
  REQUIRE(frame.objects().size() == 1);
  CHECK(frame.objects()[0]->object_id == UNTRACKED_OBJECT_ID);
}

TEST_CASE("a source that is removed forgets its tracks, its ids go on") {
  standin::Streams streams{at_once()};
  streams.of(3).update({input(100)}, true);
  streams.remove(3);
  CHECK(streams.of(3).update({input(100)}, true).at(0).id == 1);
}

TEST_CASE("the library's file is read, and what it does not read is an error") {
  char path[] = "/tmp/standin-tracker-XXXXXX";
  close(mkstemp(path));
  const auto write = [&](const std::string &text) { std::ofstream(path) << text; };
  write(
      "%YAML:1.0\nBaseConfig:\n  minDetectorConfidence: 0.4\nTargetManagement:\n  probationAge: 7\n  maxShadowTrackingAge: 9\n"
      "TrajectoryManagement:\n  useUniqueID: 1\nStateEstimator:\n  stateEstimatorType: 2\n");
  const auto read = standin::read_tracker_settings(path);
  CHECK_FALSE(read.error.has_value());
  CHECK(read.settings.min_detector_confidence == 0.4F);
  CHECK(read.settings.probation_age == 7);
  CHECK(read.settings.max_shadow_age == 9);
  CHECK(read.settings.unique_ids);
  CHECK(read.settings.estimates);
  write("TargetManagement:\n  probationAge: soon\n");
  CHECK(standin::read_tracker_settings(path).error.has_value());
  write("TargetManagement: 7\n");
  CHECK(standin::read_tracker_settings(path).error.has_value());
  unlink(path);
  CHECK(standin::read_tracker_settings("/no/such/tracker.yml").error.has_value());
}
