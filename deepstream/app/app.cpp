#include "app.h"

#include <algorithm>
#include <fstream>
#include <glib-unix.h>
#include <nvds_version.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clocks.h"
#include "factory.h"
#include "parser_reports.h"

namespace sightline::app {
namespace {

constexpr guint tick_ms = 200;
constexpr std::int64_t stats_every_us = 1'000'000;
constexpr std::int64_t interval_every_us = 2'000'000;
/** Of the time that an orderly end has, what is kept for taking the pipeline down. */
constexpr int closing_share = 4;

/** Of the card where its decoder is there. */
std::string decode_path() {
  return has_factory("nvv4l2decoder") ? "nvdec" : "software";
}

std::vector<std::string> names_of(const std::vector<CameraSlot> &cameras) {
  std::vector<std::string> names;
  names.reserve(cameras.size());
  for (const auto &camera : cameras) names.push_back(camera.camera);
  return names;
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

} // namespace

App::App(Settings settings, const std::string &token, Log &log)
    : settings_(std::move(settings)), log_(log), loop_(g_main_loop_new(nullptr, FALSE)), epochs_(settings_.cameras.size()),
      outbox_(static_cast<std::size_t>(settings_.limits.waiting_mib) << 20, settings_.cameras.size()),
      judge_(settings_.cameras.size()), labels_(settings_.cameras.size()), watchdog_(settings_.limits, log),
      probe_(settings_, judge_, outbox_), gpu_(static_cast<unsigned>(settings_.gpu), log),
      frames_before_(settings_.cameras.size()), meters_(settings_.cameras.size()), troubles_(settings_.detectors.size()) {
  if (settings_.media)
    media_ = std::make_unique<MediaSocket>(MediaOptions{*settings_.media, settings_.worker, token, names_of(settings_.cameras)},
                                           epochs_, log_);
  bridge_ = std::make_unique<BridgeSocket>(bridge_options(token), bridge_events(), outbox_, judge_, room_, epochs_, log_);
  states_ = std::make_unique<CameraStates>(
      decode_path(), [this](std::size_t camera, const SourceStatusFacts &facts) { bridge_->status(camera, facts); }, log_);
  pipeline_ = std::make_unique<Pipeline>(settings_, probe_, log_);
  renewals_ = std::make_unique<Renewals>(
      *pipeline_, *states_, settings_.cameras.size(),
      Renewals::Calls{[this](std::function<void()> call) { post(std::move(call)); },
                      [this](const std::string &why) { end(Exit::wedged, "pipeline is stuck: " + why); }},
      log_);
}

App::~App() {
  g_main_loop_unref(loop_);
}

BridgeOptions App::bridge_options(const std::string &token) const {
  unsigned major = 0;
  unsigned minor = 0;
  nvds_version(&major, &minor);
  return {settings_.bridge,
          {settings_.worker,
           token,
           {"h264", "h265", "rtsp", "file", decode_path(), "deepstream-" + std::to_string(major) + "." + std::to_string(minor)},
           static_cast<std::uint32_t>(getpid())},
          names_of(settings_.cameras),
          settings_.limits.alone_ms * std::int64_t{1000},
          static_cast<std::size_t>(settings_.limits.waiting_mib) << 20};
}

BridgeEvents App::bridge_events() {
  BridgeEvents events;
  events.configured = [this](std::vector<CameraConfig> cameras) {
    post([this, cameras = std::move(cameras)] { configured(cameras); });
  };
  events.labelled = [this](std::size_t camera, std::uint32_t generation, const std::vector<Label> &labels) {
    labels_.put(camera, generation, labels);
    for (const auto &label : labels) judge_.decided(camera, generation, label.track_id, label.decided);
  };
  events.wanted = [this](std::size_t camera, bool annotated) {
    {
      // Making the branch anew takes longer than asking for it: what was asked meanwhile is one change.
      const std::lock_guard lock(wants_mutex_);
      const bool waits = !wants_.empty();
      wants_[camera] = annotated;
      if (waits) return;
    }
    post([this] { take_wants(); });
  };
  events.drain = [this] { post([this] { end(Exit::done, "the daemon says so"); }); };
  events.over = [this](Exit code, const std::string &why) { post([this, code, why] { end(code, why); }); };
  return events;
}

void App::take_wants() {
  std::map<std::size_t, bool> wants;
  {
    const std::lock_guard lock(wants_mutex_);
    wants.swap(wants_);
  }
  for (const auto &[camera, annotated] : wants) {
    wanted_[camera] = annotated;
    if (watch_ != nullptr && playing_) watch_->want(camera, annotated);
  }
}

void App::post(std::function<void()> call) {
  // What is left when the loop has ended may be found by another one of this process.
  auto *held = new std::function<void()>([alive = std::weak_ptr(alive_), call = std::move(call)] {
    if (alive.lock() != nullptr) call();
  });
  g_idle_add_full(
      G_PRIORITY_DEFAULT,
      [](gpointer data) -> gboolean {
        (*static_cast<std::function<void()> *>(data))();
        return G_SOURCE_REMOVE;
      },
      held, [](gpointer data) { delete static_cast<std::function<void()> *>(data); });
}

Exit App::run() {
  const auto stop = [](gpointer self) -> gboolean {
    static_cast<App *>(self)->end(Exit::done, "it is told to end by a signal");
    return G_SOURCE_CONTINUE;
  };
  timers_.push_back(g_unix_signal_add(SIGTERM, stop, this));
  timers_.push_back(g_unix_signal_add(SIGINT, stop, this));
  timers_.push_back(g_timeout_add(
      tick_ms,
      [](gpointer self) -> gboolean {
        static_cast<App *>(self)->tick();
        return G_SOURCE_CONTINUE;
      },
      this));
  beat_us_ = mono_us();
  watchdog_.start([this] { return pulse(); });
  log_.set_bridge([this](const LogEntry &entry) { return bridge_->log_line(entry); });
  bridge_->start();
  gpu_.start();
  g_main_loop_run(loop_);
  close();
  return code_;
}

void App::configured(std::vector<CameraConfig> cameras) {
  if (ending_) return;
  started_us_ = mono_us();
  if (const auto failure = prepare(std::move(cameras))) {
    end(failure->exit, failure->reason);
    return;
  }
  // The door knows of a worker once it was welcomed, and refuses it before.
  if (media_ != nullptr)
    media_->start([this] {
      post([this] {
        if (watch_ != nullptr) watch_->force_keys();
      });
    });
  beat_us_ = mono_us();
  playing_ = true;
  log_.info("pipeline runs", {{"cameras", cameras_.size()}, {"detectors", settings_.detectors.size()}});
  for (const auto &source : sources_) renewals_->open(*source);
  for (const auto &[camera, annotated] : wanted_)
    if (watch_ != nullptr) watch_->want(camera, annotated);
}

std::optional<Failure> App::prepare(std::vector<CameraConfig> cameras) {
  bool live = true;
  for (std::size_t i = 0; i < cameras.size(); i += 1) {
    const unsigned source_id = settings_.cameras[i].source_id;
    judge_.configure(i, cameras[i].crops);
    try {
      const auto address = parse_address(cameras[i].source);
      cameras_.push_back(std::make_unique<Camera>(i, source_id, std::move(cameras[i]), address.live));
      Camera &camera = *cameras_.back();
      sources_.push_back(std::make_unique<Source>(camera, address, settings_.gpu, media_.get(), room_));
      live = live && (address.live || camera.config.realtime);
      probe_.watch(camera, sources_.back()->units());
    } catch (const std::invalid_argument &error) {
      return Failure{Exit::settings, "camera " + settings_.cameras[i].camera + ": " + error.what()};
    }
  }
  if (media_ != nullptr) watch_ = std::make_unique<WatchBranch>(settings_, probe_, labels_, *media_, log_);
  Pipeline::Events events;
  events.failed = [this](const Failure &failure) { end(failure.exit, failure.reason); };
  events.source_warned = [this](Camera &camera, const std::string &text) {
    // nvurisrcbin would ask it again and again with the same password, which may lock the account.
    if (refuses_password(text))
      renewals_->failed(camera, text);
    else
      states_->warned(camera, text);
  };
  events.source_failed = [this](Camera &camera, const std::string &text) { renewals_->failed(camera, text); };
  return pipeline_->start(live, watch_.get(), std::move(events));
}

void App::tick() {
  const auto now_us = mono_us();
  beat_us_ = now_us;
  if (!playing_ || ending_) return;
  for (const auto &camera : cameras_)
    if (!renewals_->rests(*camera)) states_->tick(*camera);
  renewals_->tick();
  if (watch_ != nullptr) watch_->tick();
  if (now_us - stats_us_ >= stats_every_us) say_stats();
  if (now_us - interval_us_ >= interval_every_us) adjust_interval();
}

void App::say_stats() {
  const auto now_us = mono_us();
  const double seconds = stats_us_ == 0 ? 1 : static_cast<double>(now_us - stats_us_) / 1e6;
  stats_us_ = now_us;
  StatsFacts stats;
  for (const auto &camera : cameras_) {
    CameraCounts counts;
    counts.camera = camera->config.camera;
    counts.frames_decoded = camera->delivered;
    counts.frames_detected = camera->frames_detected;
    counts.frames_dropped = camera->passed_over();
    counts.batches_dropped = outbox_.dropped(camera->index);
    counts.crops = judge_.crops(camera->index);
    counts.fps = static_cast<double>(counts.frames_decoded - frames_before_[camera->index]) / seconds;
    frames_before_[camera->index] = counts.frames_decoded;
    if (media_ != nullptr) {
      counts.video_dropped = media_->dropped(camera->index, wire::Variant::clean) + camera->units_dropped;
      counts.annotated_dropped = media_->dropped(camera->index, wire::Variant::annotated) + watch_->dropped(camera->index);
    }
    counts.crops_refused = camera->crops_refused;
    counts.objects_left_out = camera->objects_left_out;
    counts.units_skipped = camera->units_skipped;
    counts.stream = sources_[camera->index]->units().facts();
    counts.live = camera->live;
    counts.sender_clock = camera->sender_clock;
    stats.cameras.push_back(std::move(counts));
  }
  for (std::size_t i = 0; i < settings_.detectors.size(); i += 1) {
    const auto &detector = settings_.detectors[i];
    const auto report = parser_report(detector);
    if (!report) continue;
    const bool fails = troubles_[i].look(report->failures, now_us);
    stats.models.push_back({detector.model, report->pictures, report->failures, fails ? report->problem : ""});
  }
  stats.rss_bytes = resident_bytes();
  stats.cpu_seconds = cpu_seconds();
  stats.gpu = gpu_.latest();
  bridge_->stats(stats);
}

void App::adjust_interval() {
  interval_us_ = mono_us();
  double fps = 0;
  for (const auto &detector : settings_.detectors) fps = std::max(fps, detector.fps);
  std::vector<Looks> looks;
  for (const auto &camera : cameras_)
    if (const auto taken = meters_[camera->index].take(*camera)) looks.push_back(*taken);
  const auto wanted = next_interval(pipeline_->interval(), fps, looks);
  if (!wanted || *wanted == pipeline_->interval()) return;
  log_.debug("detectors leave out batches", {{"interval", *wanted}});
  pipeline_->set_interval(*wanted);
}

Pulse App::pulse() const {
  Pulse pulse;
  pulse.started_us = started_us_;
  pulse.playing = playing_;
  pulse.beat_us = beat_us_;
  if (!pulse.playing) return pulse;
  pulse.batch_us = probe_.batch_us();
  // Cameras are there before the pipeline plays, and stay.
  std::vector<Passage> sources;
  sources.reserve(cameras_.size());
  for (const auto &camera : cameras_)
    sources.push_back({camera->delivered_us, std::max(camera->through_us.load(), camera->left_out_arrived_us.load())});
  pulse.pending = is_pending(sources) || pipeline_->busy();
  pulse.growing = std::any_of(cameras_.begin(), cameras_.end(),
                              [](const auto &camera) { return camera->delivered_us > 0 && camera->frames_detected == 0; });
  return pulse;
}

void App::end(Exit code, const std::string &why) {
  if (ending_) return;
  ending_ = true;
  code_ = code;
  watchdog_.end_within(settings_.limits.stop_ms, code);
  if (code == Exit::done)
    log_.info("ends", {{"reason", why}});
  else
    log_.error(why);
  g_main_loop_quit(loop_);
}

/** What waits goes first: taking a stuck pipeline down may not come back, and the watchdog ends the process then. */
void App::close() {
  const int closing_ms = settings_.limits.stop_ms / closing_share;
  for (const auto &source : sources_) source->silence();
  room_.close();
  bridge_->drain(mono_us() + (settings_.limits.stop_ms - closing_ms) * std::int64_t{1000});
  for (auto &timer : timers_) g_source_remove(timer);
  timers_.clear();
  // Before what it hangs on.
  watch_.reset();
  pipeline_->stop();
  renewals_.reset();
  log_.set_bridge({});
  bridge_.reset();
  media_.reset();
}

} // namespace sightline::app
