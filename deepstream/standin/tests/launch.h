// A pipeline of gst-launch's language, run to its end, with what a program would see of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst-nvevent.h"
#include "gstnvdsmeta.h"

namespace standin_test {

class Pipeline {
public:
  explicit Pipeline(const std::string &line);
  ~Pipeline();
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /** Each buffer and each event of DeepStream's that passes a pad, in its streaming thread. */
  void watch(const char *element, const char *pad, std::function<void(GstBuffer *)> on_buffer,
             std::function<void(GstEvent *)> on_event = nullptr);
  GstElement *element(const char *name) const;
  bool play();
  /** Until EOS or an error; `messages` has what else was posted by then. The default main context runs meanwhile. */
  bool run(int most_s = 20);
  /** Until `done` says so. */
  bool run_until(const std::function<bool()> &done, int most_s = 20);
  void stop();

  std::string error;
  std::vector<std::string> warnings;
  std::vector<std::string> elements;

private:
  struct Watch {
    std::function<void(GstBuffer *)> on_buffer;
    std::function<void(GstEvent *)> on_event;
  };
  GstElement *pipeline_ = nullptr;
  std::vector<std::pair<GstPad *, gulong>> probes_;
};

/** How a child that runs `body` ends: its signal, or 0 and its exit code. */
struct Ending {
  int signal;
  int code;
};
Ending in_child(const std::function<void()> &body);

/** The control file for the life of this object. */
class Control {
public:
  explicit Control(const std::string &json);
  ~Control();
  Control(const Control &) = delete;
  Control &operator=(const Control &) = delete;
  void put(const std::string &json) const;

private:
  std::string path_;
};

} // namespace standin_test
