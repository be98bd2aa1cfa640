// Writes one message of every kind into a folder: what test/integration/deepstream-wire.test.ts reads with the daemon's
// decoder.
#include <fstream>

#include "messages.h"

using namespace sightline::app;

namespace {

void write(const std::string &folder, const std::string &name, const std::string &bytes) {
  std::ofstream(folder + "/" + name + ".bin", std::ios::binary) << bytes;
}

FrameRecord frame() {
  const FivePoints points{{{110, 120}, {130, 120}, {120, 130}, {112, 140}, {128, 140}}};
  SeenCrop crop{"\xff\xd8jpeg", {90, 92, 64, 72}, 32, 36,
                {5, 4, 20, 26}, points,           1,  Quality{52, 35.5, -3.25, 0.125, 1, 0.875, 0.5}};
  FrameRecord record{0,     1,  300,       12'345'678'901, 500,    1'000'001, 1'800'000'000'000'000, true, 1920, 1080,
                     false, {}, 1'000'002, 1'000'003,      {3, 4}, true};
  record.objects.push_back({1, "face", "centerface", 0.875F, {100, 100, 40, 52}, points, 2, crop});
  record.objects.push_back({2, "person", "yolov7", 0.5F, {60, 80, 160, 400}, std::nullopt, 0, std::nullopt});
  return record;
}

} // namespace

int main(int count, char **arguments) {
  if (count != 2) return 64;
  const std::string folder = arguments[1];
  write(folder, "hello", hello_message({"deepstream-main", "secret", {"h264", "h265", "rtsp", "file"}, 17}));
  write(folder, "status",
        status_message("lobby", 7,
                       {wire::SourceState::away,
                        "no frame for 10 s",
                        "source.timeout",
                        "h264",
                        1920,
                        1080,
                        "nvdec",
                        5000,
                        25,
                        {"camera.late"}}));
  StatsFacts stats;
  stats.cameras.push_back(
      {"lobby", 100, 20, 6, 3, 5, 24.5, 2, 1, {101, 65'536, 4, 4000, 3000, 1200, 2, 25}, true, true, 7, 8, 9});
  stats.models.push_back({"centerface", 40, 9, "an output holds a value that is not finite, or a class below 0"});
  stats.rss_bytes = 123'456'789;
  stats.cpu_seconds = 1.5;
  // A card that does nothing, and whose encoder does not say.
  stats.gpu = GpuStats{"GPU-57a4d1a0", "Stand-in", 37, 0, std::nullopt, std::uint64_t{3} << 30, std::uint64_t{24} << 30, 61};
  write(folder, "stats", stats_message(stats));
  write(folder, "log", log_message("warn", "camera away", R"({"camera":"lobby"})"));
  write(folder, "pong", pong_message(300));
  write(folder, "drained", drained_message());
  write(folder, "epoch-request", epoch_request_message("lobby"));
  const std::string body = frame_body(frame(), "lobby");
  write(folder, "frames", frames_message({{body, 7}, {body, 8}}, 1'000'004));
  const VideoFormat format{"lobby", 7, wire::Variant::clean, "h264", 1920, 1080, "sets", "r1"};
  write(folder, "media-hello", media_hello_message("deepstream-main", "secret"));
  write(folder, "format", format_message(format));
  write(folder, "unit", unit_message(format, {1, -3600, -3601, 1'800'000'000'000'000, true, 1'000'001, "unit"}));
  return 0;
}
