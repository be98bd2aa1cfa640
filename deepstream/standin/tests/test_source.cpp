// The source bin: files to their end, what is refused, and when a lost camera is asked again. Live cameras:
// deepstream-source.test.ts.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>

#include "launch.h"
#include "reconnect.h"
#include "surface.h"

using namespace standin;
using standin_test::Pipeline;

namespace {

constexpr int64_t kSecond = 1'000'000;

/** A clip of ten frames, for the life of this object. */
class Clip {
public:
  Clip() {
    std::string name = "/tmp/standin-clip-XXXXXX";
    folder_ = mkdtemp(name.data());
    Pipeline made(
        "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=96,height=64,framerate=10/1 ! x264enc tune=zerolatency ! "
        "h264parse ! mp4mux ! filesink location=" +
        path());
    REQUIRE(made.run());
  }
  ~Clip() { std::filesystem::remove_all(folder_); }
  Clip(const Clip &) = delete;
  Clip &operator=(const Clip &) = delete;
  std::string path() const { return folder_ + "/clip.mp4"; }
  std::string uri() const { return "file://" + path(); }

private:
  std::string folder_;
};

const char *const kMux = " ! mux.sink_0 nvstreammux name=mux batch-size=1 width=96 height=64 ! fakesink sync=false";

} // namespace

TEST_CASE("a file comes in the card's memory, all of it, and its parser can be seen") {
  const Clip clip;
  Pipeline pipeline("nvurisrcbin name=source source-id=3 uri=" + clip.uri() + kMux);
  static int parsers;
  parsers = 0;
  g_signal_connect(pipeline.element("source"), "deep-element-added",
                   G_CALLBACK(+[](GstBin *, GstBin *, GstElement *element, gpointer) {
                     GstElementFactory *factory = gst_element_get_factory(element);
                     if (factory != nullptr && std::string(GST_OBJECT_NAME(factory)) == "h264parse") ++parsers;
                   }),
                   nullptr);
  std::vector<guint64> pts;
  pipeline.watch("mux", "src", [&](GstBuffer *buffer) { pts.push_back(GST_BUFFER_PTS(buffer)); });
  REQUIRE(pipeline.run());
  REQUIRE(pts.size() == 10);
  CHECK(pts[9] - pts[0] == 900 * GST_MSECOND);
  CHECK(parsers == 1);
}

TEST_CASE("every n-th frame of a decoder goes on") {
  const Clip clip;
  Pipeline pipeline("nvurisrcbin drop-frame-interval=4 uri=" + clip.uri() + kMux);
  int frames = 0;
  pipeline.watch("mux", "src", [&](GstBuffer *) { ++frames; });
  REQUIRE(pipeline.run());
  CHECK(frames == 3);
}

TEST_CASE("a source can be started again") {
  const Clip clip;
  Pipeline pipeline("nvurisrcbin name=source uri=" + clip.uri() +
                    " nvstreammux name=mux batch-size=1 width=96 height=64 ! fakesink");
  int frames = 0;
  pipeline.watch("mux", "src", [&](GstBuffer *) { ++frames; });
  g_signal_connect(pipeline.element("source"), "pad-added", G_CALLBACK(+[](GstElement *, GstPad *pad, gpointer mux) {
                     GstPad *sink = gst_element_request_pad_simple(GST_ELEMENT(mux), "sink_0");
                     gst_pad_link(pad, sink);
                     gst_object_unref(sink);
                   }),
                   pipeline.element("mux"));
  REQUIRE(pipeline.run());
  CHECK(frames == 10);
}

TEST_CASE("what cannot be read is an error, and so is what the stand-in has not") {
  Pipeline absent("nvurisrcbin uri=file:///nowhere/clip.mp4 name=source fakesink");
  CHECK_FALSE(absent.run());
  const Clip clip;
  for (const char *wish : {"file-loop=true", "disable-audio=false", "dec-skip-frames=2"}) {
    INFO(wish);
    Pipeline pipeline(std::string("nvurisrcbin ") + wish + " uri=" + clip.uri() + " name=source fakesink");
    CHECK_FALSE(pipeline.run());
    CHECK(pipeline.error.find("the stand-in has no") == 0);
  }
  CHECK_THROWS(Pipeline("nvurisrcbin buffering=1"));
}

TEST_CASE("resets are as far apart as the interval, and three seconds over all sources of the process") {
  // One clock for all: resets of the whole process are told apart by it.
  int64_t now = 100 * kSecond;
  Reconnect first({5, 2, -1}, now);
  Reconnect second({5, 2, -1}, now);
  now += kSecond;
  CHECK(first.tick(now) == ReconnectStep::wait);
  now += kSecond;
  CHECK(first.tick(now) == ReconnectStep::reset);
  CHECK(second.tick(now) == ReconnectStep::wait);
  now += 2 * kSecond;
  CHECK(second.tick(now) == ReconnectStep::wait);
  now += kSecond;
  CHECK(second.tick(now) == ReconnectStep::reset);
  // With data the longer interval holds.
  second.data(now);
  now += 4 * kSecond;
  CHECK(second.tick(now) == ReconnectStep::wait);
  now += kSecond;
  CHECK(second.tick(now) == ReconnectStep::reset);
  // After a warning the one for the beginning again.
  second.data(now);
  second.warning();
  now += 3 * kSecond;
  CHECK(second.tick(now) == ReconnectStep::reset);
}

TEST_CASE("attempts run out, are said to have, and are counted anew with data") {
  int64_t now = 1000 * kSecond;
  Reconnect source({4, 4, 2}, now);
  const auto next = [&] {
    now += 4 * kSecond;
    return source.tick(now);
  };
  CHECK(next() == ReconnectStep::reset);
  CHECK(next() == ReconnectStep::reset);
  CHECK(next() == ReconnectStep::exceeded);
  CHECK(next() == ReconnectStep::wait);
  source.data(now);
  CHECK(next() == ReconnectStep::reset);
}

TEST_CASE("a warning turns the watchdog off where there is no interval for the beginning") {
  int64_t now = 2000 * kSecond;
  Reconnect source({4, 0, -1}, now);
  now += 4 * kSecond;
  CHECK(source.tick(now) == ReconnectStep::reset);
  source.warning();
  CHECK_FALSE(source.watched());
  now += 60 * kSecond;
  CHECK(source.tick(now) == ReconnectStep::wait);
  source.data(now);
  now += 60 * kSecond;
  CHECK(source.tick(now) == ReconnectStep::wait);
}
