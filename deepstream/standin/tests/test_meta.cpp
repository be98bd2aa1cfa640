// Metadata: copies are deep, what is released is released once, and misuse ends the process.
#include <catch2/catch.hpp>

#include <csignal>

#include "gstnvdsmeta.h"
#include "launch.h"

using standin_test::Ending;
using standin_test::in_child;

namespace {

gpointer copy_text(gpointer data, gpointer) {
  return g_strdup(static_cast<char *>(static_cast<NvDsUserMeta *>(data)->user_meta_data));
}
void free_text(gpointer data, gpointer context) {
  ++*static_cast<int *>(context);
  g_free(static_cast<NvDsUserMeta *>(data)->user_meta_data);
}

} // namespace

TEST_CASE("a copy of a buffer has metadata of its own") {
  int freed = 0;
  NvDsBatchMeta *batch = nvds_create_batch_meta(2);
  NvDsFrameMeta *frame = nvds_acquire_frame_meta_from_pool(batch);
  frame->source_id = 7;
  nvds_add_frame_meta_to_batch(batch, frame);
  NvDsObjectMeta *person = nvds_acquire_obj_meta_from_pool(batch);
  REQUIRE(person->object_id == UNTRACKED_OBJECT_ID);
  person->text_params.display_text = g_strdup("person");
  nvds_add_obj_meta_to_frame(frame, person, nullptr);
  NvDsObjectMeta *face = nvds_acquire_obj_meta_from_pool(batch);
  nvds_add_obj_meta_to_frame(frame, face, person);
  NvDsUserMeta *user = nvds_acquire_user_meta_from_pool(batch);
  user->user_meta_data = g_strdup("note");
  user->base_meta.copy_func = copy_text;
  user->base_meta.release_func = free_text;
  user->base_meta.uContext = &freed;
  nvds_add_user_meta_to_obj(face, user);

  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_add_nvds_meta(buffer, batch, nullptr, nvds_batch_meta_copy_func, nvds_batch_meta_release_func)->meta_type =
      NVDS_BATCH_GST_META;
  GstBuffer *copy = gst_buffer_copy(buffer);
  gst_buffer_unref(buffer);
  REQUIRE(freed == 1);

  NvDsBatchMeta *other = gst_buffer_get_nvds_batch_meta(copy);
  REQUIRE(other != nullptr);
  REQUIRE(other->num_frames_in_batch == 1);
  auto *other_frame = static_cast<NvDsFrameMeta *>(other->frame_meta_list->data);
  CHECK(other_frame->source_id == 7);
  REQUIRE(other_frame->num_obj_meta == 2);
  auto *other_person = static_cast<NvDsObjectMeta *>(other_frame->obj_meta_list->data);
  auto *other_face = static_cast<NvDsObjectMeta *>(other_frame->obj_meta_list->next->data);
  CHECK(other_face->parent == other_person);
  CHECK(std::string(other_person->text_params.display_text) == "person");
  CHECK(std::string(static_cast<char *>(static_cast<NvDsUserMeta *>(other_face->obj_user_meta_list->data)->user_meta_data)) ==
        "note");
  nvds_remove_obj_meta_from_frame(other_frame, other_person);
  CHECK(other_face->parent == nullptr);
  CHECK(other_frame->num_obj_meta == 1);
  gst_buffer_unref(copy);
  REQUIRE(freed == 2);
}

TEST_CASE("misuse of the pools ends the process") {
  const auto with_object = [](const std::function<void(NvDsBatchMeta *, NvDsFrameMeta *, NvDsObjectMeta *)> &misuse) {
    return in_child([&] {
      NvDsBatchMeta *batch = nvds_create_batch_meta(1);
      NvDsFrameMeta *frame = nvds_acquire_frame_meta_from_pool(batch);
      nvds_add_frame_meta_to_batch(batch, frame);
      NvDsObjectMeta *object = nvds_acquire_obj_meta_from_pool(batch);
      misuse(batch, frame, object);
    });
  };
  SECTION("as it is meant") {
    const Ending ending = with_object([](NvDsBatchMeta *batch, NvDsFrameMeta *frame, NvDsObjectMeta *object) {
      nvds_add_obj_meta_to_frame(frame, object, nullptr);
      nvds_destroy_batch_meta(batch);
    });
    CHECK(ending.signal == 0);
    CHECK(ending.code == 0);
  }
  SECTION("taken and never added") {
    CHECK(with_object([](NvDsBatchMeta *batch, NvDsFrameMeta *, NvDsObjectMeta *) { nvds_destroy_batch_meta(batch); }).signal ==
          SIGABRT);
  }
  SECTION("removed twice") {
    CHECK(with_object([](NvDsBatchMeta *, NvDsFrameMeta *frame, NvDsObjectMeta *object) {
            nvds_add_obj_meta_to_frame(frame, object, nullptr);
            nvds_remove_obj_meta_from_frame(frame, object);
            nvds_remove_obj_meta_from_frame(frame, object);
          }).signal == SIGABRT);
  }
  SECTION("used after it was given back") {
    CHECK(with_object([](NvDsBatchMeta *batch, NvDsFrameMeta *frame, NvDsObjectMeta *object) {
            nvds_add_obj_meta_to_frame(frame, object, nullptr);
            nvds_remove_obj_meta_from_frame(frame, object);
            nvds_add_user_meta_to_obj(object, nvds_acquire_user_meta_from_pool(batch));
          }).signal == SIGABRT);
  }
  SECTION("a batch that is never released, by the end of a process that says all is well") {
    CHECK(with_object([](NvDsBatchMeta *, NvDsFrameMeta *frame, NvDsObjectMeta *object) {
            nvds_add_obj_meta_to_frame(frame, object, nullptr);
          }).signal == SIGABRT);
  }
}
