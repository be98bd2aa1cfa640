// Crops: what is in the JPEG, what is refused, and what happens at borders.
#include <catch2/catch.hpp>

#include <gst/gst.h>

#include "nvbufsurface.h"

#include "gstnvdsmeta.h"

#include "nvds_obj_encode.h"

#include <csetjmp>
#include <cstdio>
#include <limits>
#include <vector>

#include <jpeglib.h>

#include "launch.h"
#include "surface.h"

using namespace standin;
using standin_test::Control;

namespace {

constexpr uint32_t kWidth = 64;
constexpr uint32_t kHeight = 48;

/** Two surfaces; the second is white (235) left of the middle and black (16) right of it. */
class Picture {
public:
  Picture() {
    SurfaceSpec spec;
    spec.batch = 2;
    spec.width = kWidth;
    spec.height = kHeight;
    buffer_ = gst_buffer_new();
    gst_buffer_append_memory(buffer_, nvmm_new(spec));
    surface = surface_of(buffer_);
    surface->numFilled = 2;
    const Plane luma = plane_of(surface, 1, 0);
    for (uint32_t y = 0; y < kHeight; ++y)
      for (uint32_t x = 0; x < kWidth; ++x) luma.data[y * luma.pitch + x] = x < kWidth / 2 ? 235 : 16;
    const Plane chroma = plane_of(surface, 1, 1);
    for (uint32_t y = 0; y < chroma.height; ++y)
      for (uint32_t x = 0; x < 2 * chroma.width; ++x) chroma.data[y * chroma.pitch + x] = 128;
    batch = nvds_create_batch_meta(2);
    frame = nvds_acquire_frame_meta_from_pool(batch);
    frame->batch_id = 1;
    nvds_add_frame_meta_to_batch(batch, frame);
    object = nvds_acquire_obj_meta_from_pool(batch);
    nvds_add_obj_meta_to_frame(frame, object, nullptr);
    context = nvds_obj_enc_create_context(0);
    args.attachUsrMeta = true;
    args.quality = 95;
  }
  ~Picture() {
    nvds_obj_enc_destroy_context(context);
    nvds_destroy_batch_meta(batch);
    gst_buffer_unref(buffer_);
  }
  Picture(const Picture &) = delete;
  Picture &operator=(const Picture &) = delete;

  bool crop(float left, float top, float width, float height) {
    object->rect_params.left = left;
    object->rect_params.top = top;
    object->rect_params.width = width;
    object->rect_params.height = height;
    return nvds_obj_enc_process(context, &args, surface, object, frame);
  }

  static NvDsObjEncOutParams *jpeg_in(GList *metas) {
    for (GList *l = metas; l != nullptr; l = l->next) {
      auto *user = static_cast<NvDsUserMeta *>(l->data);
      if (user->base_meta.meta_type == NVDS_CROP_IMAGE_META) return static_cast<NvDsObjEncOutParams *>(user->user_meta_data);
    }
    return nullptr;
  }

  NvBufSurface *surface;
  NvDsBatchMeta *batch;
  NvDsFrameMeta *frame;
  NvDsObjectMeta *object;
  NvDsObjEncCtxHandle context;
  NvDsObjEncUsrArgs args{};

private:
  GstBuffer *buffer_;
};

struct Grey {
  unsigned width, height;
  std::vector<uint8_t> pixels;
};

Grey decoded(const NvDsObjEncOutParams *jpeg) {
  jpeg_decompress_struct info{};
  jpeg_error_mgr error{};
  info.err = jpeg_std_error(&error);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, jpeg->outBuffer, jpeg->outLen);
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(&info);
  Grey grey{info.output_width, info.output_height, {}};
  grey.pixels.resize(static_cast<size_t>(grey.width) * grey.height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = &grey.pixels[static_cast<size_t>(info.output_scanline) * grey.width];
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return grey;
}

} // namespace

TEST_CASE("a crop is attached to its object by finish, in full range") {
  Picture picture;
  REQUIRE(picture.crop(16, 8, 32, 16));
  CHECK(Picture::jpeg_in(picture.object->obj_user_meta_list) == nullptr);
  nvds_obj_enc_finish(picture.context);
  const auto *jpeg = Picture::jpeg_in(picture.object->obj_user_meta_list);
  REQUIRE(jpeg != nullptr);
  const Grey grey = decoded(jpeg);
  CHECK(grey.width == 32);
  CHECK(grey.height == 16);
  CHECK(grey.pixels[5 * 32 + 2] >= 252);
  CHECK(grey.pixels[5 * 32 + 29] <= 3);
}

TEST_CASE("what hangs over the border is cut, and comes on even pixels") {
  Picture picture;
  REQUIRE(picture.crop(-10.0F, 33.0F, 25.0F, 100.0F));
  nvds_obj_enc_finish(picture.context);
  const Grey grey = decoded(Picture::jpeg_in(picture.object->obj_user_meta_list));
  CHECK(grey.width == 14);
  CHECK(grey.height == 16);
}

TEST_CASE("a scaled crop has the size that was asked for") {
  Picture picture;
  picture.args.scaleImg = true;
  picture.args.scaledWidth = 20;
  picture.args.scaledHeight = 10;
  REQUIRE(picture.crop(0, 0, 64, 48));
  nvds_obj_enc_finish(picture.context);
  const Grey grey = decoded(Picture::jpeg_in(picture.object->obj_user_meta_list));
  CHECK(grey.width == 20);
  CHECK(grey.height == 10);
  CHECK(grey.pixels[5 * 20 + 1] >= 252);
  CHECK(grey.pixels[5 * 20 + 18] <= 3);
}

TEST_CASE("a whole frame is attached to the frame") {
  Picture picture;
  picture.args.isFrame = true;
  REQUIRE(nvds_obj_enc_process(picture.context, &picture.args, picture.surface, nullptr, picture.frame));
  nvds_obj_enc_finish(picture.context);
  CHECK(Picture::jpeg_in(picture.object->obj_user_meta_list) == nullptr);
  CHECK(decoded(Picture::jpeg_in(picture.frame->frame_user_meta_list)).width == kWidth);
}

TEST_CASE("what cannot be a picture is refused") {
  Picture picture;
  CHECK_FALSE(picture.crop(70, 0, 10, 10));
  CHECK_FALSE(picture.crop(0, 0, 0, 10));
  CHECK_FALSE(picture.crop(2, 2, 1, 1));
  CHECK_FALSE(picture.crop(0, 0, std::numeric_limits<float>::quiet_NaN(), 10));
  CHECK_FALSE(picture.crop(0, 0, std::numeric_limits<float>::infinity(), 10));
  picture.args.scaleImg = true;
  picture.args.scaledWidth = kWidth + 2;
  picture.args.scaledHeight = 8;
  CHECK_FALSE(picture.crop(0, 0, 32, 32));
  picture.args.scaleImg = false;
  picture.frame->batch_id = 2;
  CHECK_FALSE(picture.crop(0, 0, 32, 32));
}

TEST_CASE("the encoder fails on demand, both ways") {
  Picture picture;
  const Control control(R"({"crops": {"refuse": true}})");
  CHECK_FALSE(picture.crop(0, 0, 32, 32));
  control.put(R"({"crops": {"noMeta": true}})");
  CHECK(picture.crop(0, 0, 32, 32));
  nvds_obj_enc_finish(picture.context);
  CHECK(Picture::jpeg_in(picture.object->obj_user_meta_list) == nullptr);
}

TEST_CASE("a copy of the metadata has a JPEG of its own") {
  Picture picture;
  REQUIRE(picture.crop(0, 0, 32, 32));
  nvds_obj_enc_finish(picture.context);
  auto *copy = static_cast<NvDsBatchMeta *>(nvds_batch_meta_copy_func(picture.batch, nullptr));
  auto *frame = static_cast<NvDsFrameMeta *>(copy->frame_meta_list->data);
  auto *object = static_cast<NvDsObjectMeta *>(frame->obj_meta_list->data);
  const auto *mine = Picture::jpeg_in(object->obj_user_meta_list);
  const auto *theirs = Picture::jpeg_in(picture.object->obj_user_meta_list);
  REQUIRE(mine != nullptr);
  CHECK(mine->outBuffer != theirs->outBuffer);
  CHECK(mine->outLen == theirs->outLen);
  nvds_destroy_batch_meta(copy);
}
