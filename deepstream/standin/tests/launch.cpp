#include "launch.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace standin_test {

Pipeline::Pipeline(const std::string &line) {
  GError *problem = nullptr;
  pipeline_ = gst_parse_launch(line.c_str(), &problem);
  if (problem == nullptr) return;
  const std::string text = problem->message;
  g_error_free(problem);
  throw std::runtime_error(text);
}

Pipeline::~Pipeline() {
  stop();
  gst_object_unref(pipeline_);
}

GstElement *Pipeline::element(const char *name) const {
  GstElement *found = gst_bin_get_by_name(GST_BIN(pipeline_), name);
  if (found == nullptr) throw std::runtime_error(std::string("no element ") + name);
  // The pipeline keeps it.
  gst_object_unref(found);
  return found;
}

void Pipeline::watch(const char *name, const char *pad_name, std::function<void(GstBuffer *)> on_buffer,
                     std::function<void(GstEvent *)> on_event) {
  GstPad *pad = gst_element_get_static_pad(element(name), pad_name);
  auto *watch = new Watch{std::move(on_buffer), std::move(on_event)};
  const auto probe = [](GstPad *, GstPadProbeInfo *info, gpointer data) {
    const auto *calls = static_cast<Watch *>(data);
    if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
      calls->on_buffer(GST_PAD_PROBE_INFO_BUFFER(info));
    } else if (calls->on_event != nullptr) {
      calls->on_event(GST_PAD_PROBE_INFO_EVENT(info));
    }
    return GST_PAD_PROBE_OK;
  };
  const gulong id =
      gst_pad_add_probe(pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
                        probe, watch, [](gpointer data) { delete static_cast<Watch *>(data); });
  probes_.emplace_back(pad, id);
}

bool Pipeline::play() {
  return gst_element_set_state(pipeline_, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

bool Pipeline::run(int most_s) {
  play();
  return run_until([] { return false; }, most_s);
}

bool Pipeline::run_until(const std::function<bool()> &done, int most_s) {
  const gint64 deadline = g_get_monotonic_time() + most_s * G_TIME_SPAN_SECOND;
  GstBus *bus = gst_element_get_bus(pipeline_);
  bool good = false;
  bool ended = false;
  while (!ended) {
    while (g_main_context_iteration(nullptr, FALSE) != FALSE) {
    }
    if (done()) {
      good = ended = true;
      break;
    }
    if (g_get_monotonic_time() > deadline) {
      error = "deadline";
      break;
    }
    GstMessage *message = gst_bus_timed_pop(bus, 10 * GST_MSECOND);
    if (message == nullptr) continue;
    GError *problem = nullptr;
    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      good = ended = true;
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error(message, &problem, nullptr);
      error = problem->message;
      ended = true;
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning(message, &problem, nullptr);
      warnings.emplace_back(problem->message);
      break;
    case GST_MESSAGE_ELEMENT:
      elements.emplace_back(gst_structure_get_name(gst_message_get_structure(message)));
      break;
    default:
      break;
    }
    g_clear_error(&problem);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  return good;
}

void Pipeline::stop() {
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  for (const auto &[pad, id] : probes_) {
    gst_pad_remove_probe(pad, id);
    gst_object_unref(pad);
  }
  probes_.clear();
}

Ending in_child(const std::function<void()> &body) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    // What it says on its way out is no news, and signals end it as they end a program.
    for (const int number : {SIGABRT, SIGSEGV}) std::signal(number, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr || std::freopen("/dev/null", "w", stdout) == nullptr) _exit(120);
    body();
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? Ending{WTERMSIG(status), 0} : Ending{0, WEXITSTATUS(status)};
}

Control::Control(const std::string &json) {
  std::string name = "/tmp/standin-control-XXXXXX";
  const int file = mkstemp(name.data());
  if (file < 0) throw std::runtime_error("no temporary file");
  close(file);
  path_ = name;
  put(json);
  setenv("SIGHTLINE_STANDIN", path_.c_str(), 1);
}

Control::~Control() {
  unsetenv("SIGHTLINE_STANDIN");
  std::remove(path_.c_str());
}

void Control::put(const std::string &json) const {
  const std::string fresh = path_ + ".new";
  std::ofstream(fresh) << json;
  std::rename(fresh.c_str(), path_.c_str());
}

} // namespace standin_test
