// The multiplexer: who is in a batch, what is said of a frame, and what happens when somebody is silent, ends, leaves or holds
// on.
#include <catch2/catch.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "frames.h"
#include "gst-nvevent.h"
#include "launch.h"

using namespace standin;
using standin_test::Control;
using standin_test::Pipeline;

namespace {

constexpr const char *kInput = " ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! mux.";

std::string source(const char *properties, const char *caps, const char *pad) {
  return std::string(" videotestsrc ") + properties + " ! video/x-raw,format=I420," + caps + kInput + pad;
}

/** What passed: the numbers of the frames of each source, and the sizes of the batches. */
struct Seen {
  std::mutex mutex;
  std::map<guint, std::vector<gint>> numbers;
  std::map<guint, std::vector<guint64>> pts;
  std::map<guint, std::vector<guint64>> ntp;
  std::vector<guint> sizes;
  std::vector<std::pair<guint, guint>> events;
  guint pads_deleted = 0;

  void buffer(GstBuffer *batch) {
    const std::lock_guard<std::mutex> hold(mutex);
    NvDsBatchMeta *meta = gst_buffer_get_nvds_batch_meta(batch);
    REQUIRE(meta != nullptr);
    CHECK(surface_of(batch)->numFilled == meta->num_frames_in_batch);
    sizes.push_back(meta->num_frames_in_batch);
    for (GList *l = meta->frame_meta_list; l != nullptr; l = l->next) {
      const auto *frame = static_cast<NvDsFrameMeta *>(l->data);
      CHECK(frame->bInferDone == FALSE);
      CHECK(frame->pad_index == frame->source_id);
      numbers[frame->source_id].push_back(frame->frame_num);
      pts[frame->source_id].push_back(frame->buf_pts);
      ntp[frame->source_id].push_back(frame->ntp_timestamp);
    }
  }
  void event(GstEvent *event) {
    const std::lock_guard<std::mutex> hold(mutex);
    guint id = 0;
    switch (static_cast<guint>(GST_EVENT_TYPE(event))) {
    case GST_NVEVENT_PAD_ADDED:
      gst_nvevent_parse_pad_added(event, &id);
      break;
    case GST_NVEVENT_PAD_DELETED:
      gst_nvevent_parse_pad_deleted(event, &id);
      ++pads_deleted;
      break;
    case GST_NVEVENT_STREAM_EOS:
      gst_nvevent_parse_stream_eos(event, &id);
      break;
    default:
      return;
    }
    events.emplace_back(GST_EVENT_TYPE(event) >> 8, id);
  }
  size_t count(guint source) {
    const std::lock_guard<std::mutex> hold(mutex);
    return numbers[source].size();
  }
};

void watch(Pipeline *pipeline, Seen *seen) {
  pipeline->watch(
      "mux", "src", [seen](GstBuffer *buffer) { seen->buffer(buffer); }, [seen](GstEvent *event) { seen->event(event); });
}

} // namespace

TEST_CASE("a picture stands in the middle of the multiplexer's, in even pixels") {
  const auto at = [](int w, int h, int ow, int oh, bool padding) {
    const Rectangle r = placement(w, h, ow, oh, padding);
    return std::vector<int>{r.x, r.y, r.width, r.height};
  };
  CHECK(at(640, 480, 1280, 720, false) == std::vector<int>{0, 0, 1280, 720});
  CHECK(at(640, 480, 1280, 720, true) == std::vector<int>{160, 0, 960, 720});
  CHECK(at(1920, 1080, 1920, 1080, true) == std::vector<int>{0, 0, 1920, 1080});
  CHECK(at(1920, 800, 1280, 720, true) == std::vector<int>{0, 92, 1280, 534});
  CHECK(at(2, 4000, 1280, 720, true) == std::vector<int>{638, 0, 2, 720});
}

TEST_CASE("frames of two sources come in order, and the end of one is no end for the other") {
  Pipeline pipeline("nvstreammux name=mux batch-size=2 width=320 height=240 batched-push-timeout=40000 ! tee name=t "
                    "t. ! queue ! fakesink sync=false async=false t. ! queue ! fakesink sync=false async=false" +
                    source("num-buffers=6", "width=160,height=120,framerate=30/1", "sink_0") +
                    source("num-buffers=3", "width=64,height=64,framerate=30/1", "sink_5"));
  Seen seen;
  watch(&pipeline, &seen);
  REQUIRE(pipeline.run());
  CHECK(seen.numbers[0] == std::vector<gint>{0, 1, 2, 3, 4, 5});
  CHECK(seen.numbers[5] == std::vector<gint>{0, 1, 2});
  CHECK(seen.pts[0][3] == 100 * GST_MSECOND);
  CHECK(seen.ntp[0][0] > 1'500'000'000 * GST_SECOND);
  REQUIRE(seen.events.size() == 4);
  CHECK(seen.events[3] == std::make_pair(402U, 0U));
  CHECK(std::count(seen.events.begin(), seen.events.end(), std::make_pair(402U, 5U)) == 1);
  // Once for each sink behind the tee and each source.
  CHECK(std::count(pipeline.elements.begin(), pipeline.elements.end(), "stream-eos") == 4);
}

TEST_CASE("the batch says what the source was and what the boxes refer to") {
  Pipeline pipeline("nvstreammux name=mux batch-size=1 width=320 height=240 enable-padding=true ! fakesink sync=false" +
                    source("num-buffers=1 pattern=white", "width=160,height=160,framerate=30/1", "sink_0"));
  bool looked = false;
  pipeline.watch("mux", "src", [&](GstBuffer *batch) {
    looked = true;
    const auto *frame = static_cast<NvDsFrameMeta *>(gst_buffer_get_nvds_batch_meta(batch)->frame_meta_list->data);
    CHECK(frame->source_frame_width == 160);
    CHECK(frame->source_frame_height == 160);
    CHECK(frame->pipeline_width == 320);
    CHECK(frame->pipeline_height == 240);
    const Plane luma = plane_of(surface_of(batch), 0, 0);
    CHECK(luma.data[100 * luma.pitch + 38] == 16);
    CHECK(luma.data[100 * luma.pitch + 42] == 235);
    CHECK(luma.data[100 * luma.pitch + 277] == 235);
    CHECK(luma.data[100 * luma.pitch + 282] == 16);
  });
  REQUIRE(pipeline.run());
  CHECK(looked);
}

TEST_CASE("a silent source holds the others up for as long as the timeout says, and not longer") {
  // The second source never gives a frame before its queue is let go.
  Pipeline pipeline("nvstreammux name=mux batch-size=2 width=64 height=64 batched-push-timeout=5000 live-source=true ! "
                    "fakesink sync=false async=false" +
                    source("num-buffers=20", "width=64,height=64,framerate=30/1", "sink_0") + " appsrc name=silent ! " +
                    "video/x-raw(memory:NVMM),format=NV12,width=64,height=64,framerate=30/1 ! mux.sink_1");
  Seen seen;
  watch(&pipeline, &seen);
  pipeline.play();
  REQUIRE(pipeline.run_until([&] { return seen.count(0) == 20; }));
  for (const guint size : seen.sizes) CHECK(size == 1);
}

TEST_CASE("without a timeout a silent source holds everybody up") {
  Pipeline pipeline("nvstreammux name=mux batch-size=2 width=64 height=64 ! fakesink sync=false async=false" +
                    source("num-buffers=20", "width=64,height=64,framerate=30/1", "sink_0") + " appsrc name=silent ! " +
                    "video/x-raw(memory:NVMM),format=NV12,width=64,height=64,framerate=30/1 ! mux.sink_1");
  Seen seen;
  watch(&pipeline, &seen);
  pipeline.play();
  CHECK_FALSE(pipeline.run_until([&] { return seen.count(0) > 0; }, 1));
  // The silent one ends: the other is no longer waited with.
  gboolean ignored = FALSE;
  g_signal_emit_by_name(pipeline.element("silent"), "end-of-stream", &ignored);
  CHECK(pipeline.run_until([&] { return seen.count(0) == 20; }));
}

TEST_CASE("who keeps all buffers of the pool stops the multiplexer until one comes back") {
  Pipeline pipeline(
      "nvstreammux name=mux batch-size=1 width=64 height=64 buffer-pool-size=3 ! fakesink sync=false async=false" +
      source("num-buffers=10", "width=64,height=64,framerate=30/1", "sink_0"));
  Seen seen;
  std::vector<GstBuffer *> kept;
  std::mutex mutex;
  pipeline.watch("mux", "src", [&](GstBuffer *buffer) {
    seen.buffer(buffer);
    const std::lock_guard<std::mutex> hold(mutex);
    if (kept.size() < 3) kept.push_back(gst_buffer_ref(buffer));
  });
  pipeline.play();
  REQUIRE(pipeline.run_until([&] { return seen.count(0) == 3; }));
  CHECK_FALSE(pipeline.run_until([&] { return seen.count(0) > 3; }, 1));
  for (GstBuffer *buffer : kept) gst_buffer_unref(buffer);
  CHECK(pipeline.run_until([&] { return seen.count(0) == 10; }));
}

TEST_CASE("a source that is taken away while it runs is said to be gone") {
  Pipeline pipeline("nvstreammux name=mux batch-size=2 width=64 height=64 batched-push-timeout=5000 drop-pipeline-eos=true ! "
                    "fakesink sync=false async=false" +
                    source("is-live=true", "width=64,height=64,framerate=30/1", "sink_0") +
                    source("is-live=true name=leaving", "width=64,height=64,framerate=30/1", "sink_1"));
  Seen seen;
  watch(&pipeline, &seen);
  pipeline.play();
  REQUIRE(pipeline.run_until([&] { return seen.count(1) > 2; }));
  gst_element_set_locked_state(pipeline.element("leaving"), TRUE);
  gst_element_set_state(pipeline.element("leaving"), GST_STATE_NULL);
  GstElement *mux = pipeline.element("mux");
  GstPad *pad = gst_element_get_static_pad(mux, "sink_1");
  GstPad *peer = gst_pad_get_peer(pad);
  gst_pad_unlink(peer, pad);
  gst_object_unref(peer);
  gst_element_release_request_pad(mux, pad);
  gst_object_unref(pad);
  const size_t had = seen.count(0);
  CHECK(pipeline.run_until([&] { return seen.pads_deleted == 1 && seen.count(0) > had + 3; }));
}

TEST_CASE("numbers, times and frames misbehave on demand") {
  const Control control(
      R"({"sources": {"0": {"frameNumberBackAt": 3, "ptsJumpAtFrame": 4, "ptsJumpMs": 10000, "duplicateFrame": 1,
                            "ntpOffsetMs": -60000}}})");
  Pipeline pipeline("nvstreammux name=mux batch-size=1 width=64 height=64 attach-sys-ts=false ! fakesink sync=false" +
                    source("num-buffers=5", "width=64,height=64,framerate=10/1", "sink_0"));
  Seen seen;
  watch(&pipeline, &seen);
  REQUIRE(pipeline.run());
  CHECK(seen.numbers[0] == std::vector<gint>{0, 1, 2, 0, 1, 2});
  CHECK(seen.pts[0] == std::vector<guint64>{0, 100 * GST_MSECOND, 100 * GST_MSECOND, 200 * GST_MSECOND, 10300 * GST_MSECOND,
                                            10400 * GST_MSECOND});
  const auto now = static_cast<guint64>(g_get_real_time()) * 1000;
  CHECK(seen.ntp[0][0] < now - 59 * GST_SECOND);
}

TEST_CASE("a camera without sender reports has no time of its own") {
  Pipeline pipeline("nvstreammux name=mux batch-size=1 width=64 height=64 attach-sys-ts=false ! fakesink sync=false" +
                    source("num-buffers=1", "width=64,height=64,framerate=10/1", "sink_0"));
  Seen seen;
  watch(&pipeline, &seen);
  REQUIRE(pipeline.run());
  CHECK(seen.ntp[0] == std::vector<guint64>{0});
}

TEST_CASE("a multiplexer that got stuck lets nothing pass, and goes on when the fault is taken back") {
  const Control control(R"({"mux": {"stuckPad": 0}})");
  Pipeline pipeline("nvstreammux name=mux batch-size=1 width=64 height=64 ! fakesink sync=false async=false" +
                    source("num-buffers=5", "width=64,height=64,framerate=10/1", "sink_0"));
  Seen seen;
  watch(&pipeline, &seen);
  pipeline.play();
  CHECK_FALSE(pipeline.run_until([&] { return seen.count(0) > 0; }, 1));
  control.put("{}");
  CHECK(pipeline.run_until([&] { return seen.count(0) == 5; }));
}

TEST_CASE("a multiplexer without a size does not start") {
  Pipeline pipeline("nvstreammux name=mux batch-size=1 ! fakesink" + source("", "width=64,height=64", "sink_0"));
  CHECK_FALSE(pipeline.run());
  CHECK(pipeline.error == "Output width and height not set");
}

TEST_CASE("what the card's multiplexer does not take is not taken here") {
  CHECK_THROWS(Pipeline("nvstreammux name=mux batch-size=1 width=64 height=64 ! fakesink videotestsrc ! mux.sink_0"));
  CHECK_THROWS(Pipeline("nvstreammux batchsize=1"));
  CHECK_THROWS(Pipeline("nvstreammux config-file-path=x"));
}
