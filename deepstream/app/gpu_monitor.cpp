#include "gpu_monitor.h"

#include <chrono>

#include "clocks.h"
#include "nvml_library.h"

namespace sightline::app {
namespace {

constexpr auto every = std::chrono::seconds(1);
/** After an error, as of a card that fell off the bus. */
constexpr auto again_after = std::chrono::seconds(5);
/** A call that has taken so long hangs, and what it said last is old. */
constexpr std::int64_t hung_after_us = 3'000'000;
/** Longer than any call that does not hang. */
constexpr auto leaves_within = std::chrono::seconds(1);

} // namespace

GpuMonitor::GpuMonitor(unsigned gpu, Log &log) : gpu_(gpu), shared_(std::make_shared<Shared>()) {
  shared_->log = &log;
}

GpuMonitor::~GpuMonitor() {
  bool has_left = false;
  {
    std::unique_lock lock(shared_->mutex);
    shared_->closed = true;
    shared_->log = nullptr;
    shared_->closing.notify_all();
    if (thread_.joinable()) has_left = shared_->left.wait_for(lock, leaves_within, [this] { return shared_->has_left; });
  }
  if (has_left)
    thread_.join();
  else if (thread_.joinable())
    thread_.detach();
}

void GpuMonitor::start() {
  thread_ = std::thread([shared = shared_, gpu = gpu_] { run(shared, gpu); });
}

std::optional<GpuStats> GpuMonitor::latest() {
  const std::lock_guard lock(shared_->mutex);
  Shared &shared = *shared_;
  if (shared.asked_us == 0 || mono_us() - shared.asked_us < hung_after_us) return shared.stats;
  if (!shared.said_hung && shared.log != nullptr) shared.log->warn("the GPU's driver does not answer; its figures are away");
  shared.said_hung = true;
  return std::nullopt;
}

void GpuMonitor::run(const std::shared_ptr<Shared> &shared, unsigned gpu) {
  watch(*shared, gpu);
  const std::lock_guard lock(shared->mutex);
  shared->has_left = true;
  shared->left.notify_all();
}

void GpuMonitor::watch(Shared &shared, unsigned gpu) {
  std::string why;
  ask(shared, true);
  const auto library = NvmlLibrary::open(why);
  ask(shared, false);
  if (library == nullptr) {
    say(shared, LogLevel::info, "there are no figures of the GPU", why);
    return;
  }
  std::string said;
  bool ready = false;
  do {
    try {
      ask(shared, true);
      if (!ready) library->init();
      ready = true;
      auto stats = library->read(gpu);
      ask(shared, false);
      const std::lock_guard lock(shared.mutex);
      shared.stats = std::move(stats);
      said.clear();
    } catch (const NvmlError &error) {
      ready = false;
      ask(shared, false);
      if (said != error.what()) say(shared, LogLevel::warn, "the GPU's driver gives no figures", error.what());
      said = error.what();
    }
  } while (wait(shared, ready ? every : again_after));
}

bool GpuMonitor::wait(Shared &shared, std::chrono::milliseconds time) {
  std::unique_lock lock(shared.mutex);
  return !shared.closing.wait_for(lock, time, [&] { return shared.closed; });
}

void GpuMonitor::ask(Shared &shared, bool begins) {
  const std::lock_guard lock(shared.mutex);
  shared.asked_us = begins ? mono_us() : 0;
  if (!begins) shared.said_hung = false;
}

void GpuMonitor::say(Shared &shared, LogLevel level, const std::string &message, const std::string &reason) {
  const std::lock_guard lock(shared.mutex);
  shared.stats.reset();
  if (shared.log != nullptr) shared.log->write(level, message, {{"reason", reason}});
}

} // namespace sightline::app
