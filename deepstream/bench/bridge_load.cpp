// bridge_load LOAD.JSON: what a container with many cameras sends, without its pipeline. The program's own outbox, judge of
// crops and bridge socket; its frames come in bursts, as batches come through the probe. For bench/deepstream-bridge.ts, which
// is told in one line of JSON on stdout what was sent and what that cost.
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge_socket.h"
#include "clocks.h"

using namespace sightline::app;

namespace {

constexpr double life_seconds = 10;
constexpr std::size_t waiting_bytes = std::size_t{32} << 20;
constexpr std::int64_t second_us = 1'000'000;
constexpr Size picture{1920, 1080};

struct Load {
  std::string bridge;
  std::string worker;
  std::string token;
  std::vector<std::string> cameras;
  double fps;
  /** Cameras whose frames come in one batch. */
  std::size_t batch;
  /** Every how many frames a detector looks. */
  std::uint64_t detect_every;
  std::size_t persons;
  std::size_t faces;
  double seconds;
  /** A JPEG of this size that every face gives with every look; empty: none. */
  std::string crop;
  int crop_width;
  int crop_height;
};

Load read_load(const std::string &file) {
  std::ifstream stream(file);
  const auto json = nlohmann::json::parse(stream);
  Load load{json.at("bridge"),
            json.at("worker"),
            json.at("token"),
            json.at("cameras"),
            json.at("fps"),
            json.at("batch"),
            json.at("detectEvery"),
            json.at("persons"),
            json.at("faces"),
            json.at("seconds"),
            "",
            0,
            0};
  if (!json.contains("crop")) return load;
  const auto &crop = json.at("crop");
  std::ifstream jpeg(crop.at("file").get<std::string>(), std::ios::binary);
  load.crop.assign(std::istreambuf_iterator<char>(jpeg), {});
  load.crop_width = crop.at("width");
  load.crop_height = crop.at("height");
  return load;
}

double cpu_seconds(int whose) {
  rusage usage{};
  getrusage(whose, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/** People who walk through the picture, each for ten seconds; the first ones show their faces. */
class Scene {
public:
  explicit Scene(const Load &load) : load_(load), life_(static_cast<std::uint64_t>(life_seconds * load.fps)) {}

  FrameRecord frame(std::size_t camera, std::uint64_t sequence) const {
    const auto now_us = mono_us();
    const bool looked = sequence % load_.detect_every == 0;
    FrameRecord record{};
    record.camera = camera;
    record.generation = 1;
    record.sequence = sequence;
    record.media_ms = static_cast<double>(sequence) * 1000 / load_.fps;
    record.pts = static_cast<std::int64_t>(record.media_ms * 1e6);
    record.received_mono_us = record.decoded_mono_us = now_us;
    record.camera_time_us = wall_us();
    record.rtcp = true;
    record.width = static_cast<std::uint32_t>(picture.width);
    record.height = static_cast<std::uint32_t>(picture.height);
    record.predicted = !looked;
    record.detected_mono_us = looked ? now_us : 0;
    record.live = true;
    // Lives begin at other moments with every camera.
    const std::uint64_t age = sequence + camera * 7;
    const auto first = static_cast<std::uint32_t>(1 + age / life_ * (load_.persons + load_.faces));
    for (std::size_t face = 0; face < load_.faces; face += 1)
      record.objects.push_back(face_of(body(camera, face, sequence), first + static_cast<std::uint32_t>(face),
                                       first + static_cast<std::uint32_t>(load_.persons + face), looked));
    for (std::size_t person = 0; person < load_.persons; person += 1)
      record.objects.push_back({first + static_cast<std::uint32_t>(person), "person", "yolov7", 0.75F,
                                body(camera, person, sequence), std::nullopt, 0, std::nullopt});
    if (sequence > 0 && age % life_ == 0 && first > 1)
      for (std::size_t at = load_.persons + load_.faces; at > 0; at -= 1)
        record.ended_tracks.push_back(first - static_cast<std::uint32_t>(at));
    return record;
  }

private:
  static Box body(std::size_t camera, std::size_t person, std::uint64_t sequence) {
    const auto left = static_cast<double>((camera * 131 + person * 311 + sequence * 3) % 1600);
    const auto top = static_cast<double>(60 + (camera * 53 + person * 97) % 500);
    return {left + 0.5, top + 0.25, 160, 400};
  }

  SeenObject face_of(const Box &person, std::uint32_t person_id, std::uint32_t id, bool looked) const {
    const Box box{person.left + 40, person.top + 15, 80, 100};
    SeenObject face{id, "face", "centerface", 0.875F, box, std::nullopt, person_id, std::nullopt};
    if (!looked) return face;
    const auto at = [&](double x, double y) { return Point{box.left + x * box.width, box.top + y * box.height}; };
    face.landmarks = FivePoints{at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)};
    if (load_.crop.empty()) return face;
    // The rectangle is wider than the face, by what is cut around it.
    const double x = load_.crop_width / 160.0;
    const double y = load_.crop_height / 200.0;
    SeenCrop crop{load_.crop,
                  {box.left - 40, box.top - 50, 160, 200},
                  load_.crop_width,
                  load_.crop_height,
                  {40 * x, 50 * y, box.width * x, box.height * y},
                  face.landmarks,
                  1,
                  std::nullopt};
    for (auto &point : *crop.landmarks) point = {(point.x - box.left + 40) * x, (point.y - box.top + 50) * y};
    face.crop = std::move(crop);
    return face;
  }

  const Load &load_;
  const std::uint64_t life_;
};

/** Set once by another thread. */
class Gate {
public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  bool wait(std::chrono::seconds within) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return open_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

void sleep_until_us(std::int64_t at_us) {
  const timespec at{at_us / second_us, at_us % second_us * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

StatsFacts stats_of(const Load &load, const Outbox &outbox, const CropJudge &judge, std::uint64_t frames) {
  StatsFacts stats;
  for (std::size_t camera = 0; camera < load.cameras.size(); camera += 1) {
    CameraCounts counts;
    counts.camera = load.cameras[camera];
    counts.frames_decoded = frames;
    counts.frames_detected = frames / load.detect_every;
    counts.batches_dropped = outbox.dropped(camera);
    counts.crops = judge.crops(camera);
    counts.fps = load.fps;
    counts.stream.units = frames;
    counts.stream.bytes = frames * 10'000;
    counts.live = true;
    stats.cameras.push_back(std::move(counts));
  }
  stats.cpu_seconds = cpu_seconds(RUSAGE_SELF);
  return stats;
}

int run(const Load &load) {
  const std::size_t cameras = load.cameras.size();
  Log log(LogLevel::warn);
  EpochTable epochs(cameras);
  Outbox outbox(waiting_bytes, cameras);
  CropJudge judge(cameras);
  Room room;
  Gate configured;
  BridgeEvents events;
  events.configured = [&](const std::vector<CameraConfig> &known) {
    for (std::size_t camera = 0; camera < known.size(); camera += 1) judge.configure(camera, known[camera].crops);
    configured.open();
  };
  events.labelled = [&](std::size_t camera, std::uint32_t generation, const std::vector<Label> &labels) {
    for (const auto &label : labels) judge.decided(camera, generation, label.track_id, label.decided);
  };
  events.wanted = [](std::size_t, bool) {};
  events.drain = [] {};
  events.over = [&](Exit, const std::string &why) { log.error(why); };
  BridgeOptions options{load.bridge,
                        {load.worker, load.token, {"h264"}, static_cast<std::uint32_t>(getpid())},
                        load.cameras,
                        600 * second_us,
                        waiting_bytes};
  BridgeSocket bridge(options, events, outbox, judge, room, epochs, log);
  bridge.start();
  if (!configured.wait(std::chrono::seconds(20))) {
    log.error("the daemon did not say welcome");
    return 1;
  }

  const Scene scene(load);
  const std::size_t bursts = (cameras + load.batch - 1) / load.batch;
  const auto total = static_cast<std::uint64_t>(load.seconds * load.fps);
  const std::int64_t began_us = mono_us();
  const double cpu_before = cpu_seconds(RUSAGE_SELF);
  const double own_before = cpu_seconds(RUSAGE_THREAD);
  double pushing_s = 0;
  std::int64_t late_us = 0;
  for (std::uint64_t sequence = 0; sequence < total; sequence += 1) {
    for (std::size_t burst = 0; burst < bursts; burst += 1) {
      const double due = (static_cast<double>(sequence) + static_cast<double>(burst) / static_cast<double>(bursts)) / load.fps;
      const std::int64_t due_us = began_us + static_cast<std::int64_t>(due * second_us);
      sleep_until_us(due_us);
      late_us = std::max(late_us, mono_us() - due_us);
      const std::size_t first = burst * load.batch;
      std::vector<FrameRecord> records;
      for (std::size_t camera = first; camera < std::min(cameras, first + load.batch); camera += 1)
        records.push_back(scene.frame(camera, sequence));
      outbox.push(std::move(records));
    }
    if (sequence % static_cast<std::uint64_t>(load.fps) == 0) bridge.stats(stats_of(load, outbox, judge, sequence));
  }
  pushing_s = cpu_seconds(RUSAGE_THREAD) - own_before;
  const double seconds = static_cast<double>(mono_us() - began_us) / second_us;
  const double sending_s = cpu_seconds(RUSAGE_SELF) - cpu_before - pushing_s;
  bridge.drain(mono_us() + 5 * second_us);
  std::uint64_t dropped = 0;
  std::uint64_t crops = 0;
  for (std::size_t camera = 0; camera < cameras; camera += 1) {
    dropped += outbox.dropped(camera);
    crops += judge.crops(camera);
  }
  const nlohmann::json said{{"frames", total * cameras},
                            {"dropped", dropped},
                            {"crops", crops},
                            {"seconds", seconds},
                            {"makingSeconds", pushing_s},
                            {"sendingSeconds", sending_s},
                            {"latestMs", static_cast<double>(late_us) / 1000}};
  std::cout << said.dump() << std::endl;
  return 0;
}

} // namespace

int main(int count, char **arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  if (count != 2) {
    std::cerr << "usage: bridge_load LOAD.JSON\n";
    return 64;
  }
  try {
    return run(read_load(arguments[1]));
  } catch (const std::exception &error) {
    std::cerr << arguments[1] << ": " << error.what() << '\n';
    return 1;
  }
}
