// Converter, demultiplexer, drawing and encoder, in lines as the program builds them.
#include <catch2/catch.hpp>

#include <atomic>
#include <mutex>

#include "frames.h"
#include "launch.h"

using namespace standin;
using standin_test::Control;
using standin_test::Pipeline;

namespace {

std::string source(const std::string &pattern, const char *pad) {
  return " videotestsrc num-buffers=3 pattern=" + pattern +
         " ! video/x-raw,format=I420,width=64,height=48,framerate=10/1 ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 "
         "! mux." +
         pad;
}

const std::string kMux = "nvstreammux name=mux batch-size=2 width=128 height=96 ! ";

NvDsFrameMeta *first_frame(GstBuffer *buffer) {
  return static_cast<NvDsFrameMeta *>(gst_buffer_get_nvds_batch_meta(buffer)->frame_meta_list->data);
}

void add_object(GstBuffer *buffer, float left, float top, float width, float height) {
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next) {
    NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(batch);
    object->rect_params.left = left;
    object->rect_params.top = top;
    object->rect_params.width = width;
    object->rect_params.height = height;
    object->rect_params.border_width = 2;
    object->rect_params.border_color = {1, 1, 1, 1};
    nvds_add_obj_meta_to_frame(static_cast<NvDsFrameMeta *>(l->data), object, nullptr);
  }
}

} // namespace

TEST_CASE("each source comes out of its own pad, with its own pixels and metadata") {
  Pipeline pipeline(kMux +
                    "identity name=probe ! nvstreamdemux name=demux demux.src_0 ! queue name=a ! fakesink sync=false "
                    "demux.src_1 ! queue name=b ! fakesink sync=false" +
                    source("white", "sink_0") + source("black", "sink_1"));
  pipeline.watch("probe", "src", [](GstBuffer *buffer) { add_object(buffer, 1, 2, 3, 4); });
  std::atomic<int> seen{0};
  for (const guint index : {0U, 1U}) {
    pipeline.watch(index == 0 ? "a" : "b", "src", [&seen, index](GstBuffer *buffer) {
      ++seen;
      const NvBufSurface *surface = surface_of(buffer);
      CHECK(surface->batchSize == 1);
      const NvDsFrameMeta *frame = first_frame(buffer);
      CHECK(gst_buffer_get_nvds_batch_meta(buffer)->num_frames_in_batch == 1);
      CHECK(frame->source_id == index);
      CHECK(frame->batch_id == 0);
      CHECK(frame->num_obj_meta == 1);
      CHECK(GST_BUFFER_PTS(buffer) == frame->buf_pts);
      CHECK(plane_of(surface, 0, 0).data[50] == (index == 0 ? 235 : 16));
    });
  }
  REQUIRE(pipeline.run());
  CHECK(seen == 6);
}

TEST_CASE("the converter brings pictures into system memory and back, with their metadata") {
  Pipeline pipeline(
      "nvstreammux name=mux batch-size=1 width=128 height=96 ! nvvideoconvert ! video/x-raw,format=RGBA,width=32,height=24 "
      "! identity name=system ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! identity name=card ! fakesink" +
      source("red", "sink_0"));
  int seen = 0;
  pipeline.watch("system", "src", [&](GstBuffer *buffer) {
    GstMapInfo map;
    REQUIRE(gst_buffer_map(buffer, &map, GST_MAP_READ));
    CHECK(map.size == 32 * 24 * 4);
    CHECK(map.data[0] > 240);
    CHECK(map.data[1] < 15);
    CHECK(map.data[2] < 15);
    gst_buffer_unmap(buffer, &map);
    CHECK(first_frame(buffer)->source_frame_width == 64);
  });
  pipeline.watch("card", "src", [&](GstBuffer *buffer) {
    ++seen;
    CHECK(surface_of(buffer)->surfaceList[0].width == 32);
    CHECK(first_frame(buffer)->source_frame_width == 64);
  });
  REQUIRE(pipeline.run());
  CHECK(seen == 3);
}

TEST_CASE("a batch has no place in system memory") {
  Pipeline pipeline(kMux + "nvvideoconvert ! video/x-raw,format=I420 ! fakesink" + source("red", "sink_0") +
                    source("red", "sink_1"));
  CHECK_FALSE(pipeline.run());
  CHECK(pipeline.error.find("a batch of 2 frames") == 0);
}

TEST_CASE("a converter's crop that is none is an error") {
  Pipeline pipeline("videotestsrc ! nvvideoconvert src-crop=1:2:3 ! video/x-raw,format=NV12 ! fakesink");
  CHECK_FALSE(pipeline.run());
}

TEST_CASE("boxes and texts are drawn where the metadata says, and nowhere else") {
  Pipeline pipeline(
      "nvstreammux name=mux batch-size=1 width=128 height=96 ! identity name=probe ! nvdsosd name=osd ! fakesink" +
      source("black", "sink_0"));
  pipeline.watch("probe", "src", [](GstBuffer *buffer) {
    add_object(buffer, 20, 30, 40, 20);
    auto *object = static_cast<NvDsObjectMeta *>(first_frame(buffer)->obj_meta_list->data);
    object->text_params.display_text = g_strdup("A");
    object->text_params.x_offset = 80;
    object->text_params.y_offset = 60;
    object->text_params.font_params.font_size = 10;
    object->text_params.font_params.font_color = {1, 1, 1, 1};
    // Beyond every border, and not a number: neither draws outside the picture.
    add_object(buffer, -1000, -1000, 5000, 5000);
    add_object(buffer, std::numeric_limits<float>::quiet_NaN(), 0, 10, 10);
  });
  int seen = 0;
  pipeline.watch("osd", "src", [&](GstBuffer *buffer) {
    ++seen;
    const Plane luma = plane_of(surface_of(buffer), 0, 0);
    const auto at = [&luma](int x, int y) { return static_cast<int>(luma.data[y * luma.pitch + x]); };
    CHECK(at(21, 40) == 235);
    CHECK(at(40, 31) == 235);
    CHECK(at(40, 40) == 16);
    CHECK(at(70, 40) == 16);
    CHECK(at(82, 66) == 235);
  });
  REQUIRE(pipeline.run());
  CHECK(seen == 3);
}

TEST_CASE("drawing on the processor wants RGBA") {
  Pipeline pipeline("nvstreammux name=mux batch-size=1 width=128 height=96 ! nvdsosd process-mode=CPU_MODE ! fakesink" +
                    source("black", "sink_0"));
  CHECK_FALSE(pipeline.run());
}

TEST_CASE("the encoder makes H.264 with its parameter sets, and fails on demand") {
  const std::string line = "nvstreammux name=mux batch-size=1 width=128 height=96 ! nvstreamdemux name=demux demux.src_0 ! "
                           "nvv4l2h264enc name=enc bitrate=500000 iframeinterval=2 insert-sps-pps=true ! fakesink" +
                           source("ball", "sink_0");
  SECTION("well") {
    Pipeline pipeline(line);
    int keys = 0;
    int seen = 0;
    pipeline.watch("enc", "src", [&](GstBuffer *buffer) {
      ++seen;
      if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)) return;
      ++keys;
      GstMapInfo map;
      REQUIRE(gst_buffer_map(buffer, &map, GST_MAP_READ));
      // An access unit delimiter may be first.
      const std::string bytes(reinterpret_cast<char *>(map.data), std::min<gsize>(map.size, 64));
      CHECK(bytes.find(std::string("\0\0\1\x67", 4)) != std::string::npos);
      gst_buffer_unmap(buffer, &map);
    });
    REQUIRE(pipeline.run());
    CHECK(seen == 3);
    CHECK(keys == 2);
  }
  SECTION("not at all") {
    const Control control(R"({"encoder": {"fail": true}})");
    Pipeline pipeline(line);
    CHECK_FALSE(pipeline.run());
    CHECK(pipeline.error.find("failed during initialization") != std::string::npos);
  }
}
