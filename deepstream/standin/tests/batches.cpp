// batches LINE: runs a line of gst-launch's language with a nvstreammux named mux and writes one JSON object a line for what
// passes it and for what is posted, until the end of the stream, an error or SIGTERM. For tests that have a camera beside them.
#include <csignal>
#include <cstdio>
#include <mutex>

#include "launch.h"

namespace {

volatile std::sig_atomic_t told_to_end = 0;
std::mutex mutex;

void print(const std::string &line) {
  const std::lock_guard<std::mutex> hold(mutex);
  std::puts(line.c_str());
  std::fflush(stdout);
}

void on_buffer(GstBuffer *buffer) {
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next) {
    const auto *frame = static_cast<NvDsFrameMeta *>(l->data);
    gchar *line = g_strdup_printf(R"({"frame":%d,"source":%u,"batch":%u,"pts":%)" G_GUINT64_FORMAT
                                  R"(,"ntp":%)" G_GUINT64_FORMAT R"(,"width":%u,"height":%u})",
                                  frame->frame_num, frame->source_id, batch->num_frames_in_batch, frame->buf_pts,
                                  frame->ntp_timestamp, frame->source_frame_width, frame->source_frame_height);
    print(line);
    g_free(line);
  }
}

void on_event(GstEvent *event) {
  const guint number = GST_EVENT_TYPE(event) >> 8;
  if (number >= 400 && number <= 406) print(R"({"event":)" + std::to_string(number) + "}");
}

} // namespace

int main(int argc, char **argv) {
  gst_init(nullptr, nullptr);
  if (argc != 2) return 64;
  std::signal(SIGTERM, [](int) { told_to_end = 1; });
  standin_test::Pipeline pipeline(argv[1]);
  pipeline.watch("mux", "src", on_buffer, on_event);
  pipeline.play();
  size_t warnings = 0;
  size_t elements = 0;
  const bool good = pipeline.run_until(
      [&] {
        // Texts of GStreamer have quotes in them; the tests want to know that there was one.
        for (; warnings < pipeline.warnings.size(); ++warnings) print(R"({"warning":true})");
        for (; elements < pipeline.elements.size(); ++elements)
          print(R"({"element":")" + pipeline.elements[elements] + R"("})");
        return told_to_end != 0;
      },
      300);
  if (!good) print(R"({"error":true})");
  return good ? 0 : 1;
}
