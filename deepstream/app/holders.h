#pragma once

#include <gst/gst.h>
#include <memory>
#include <unistd.h>
#include <utility>

/** Owners of what C libraries hand out. */
namespace sightline::app {

struct GstObjectUnref {
  void operator()(void *object) const { gst_object_unref(object); }
};
struct CapsUnref {
  void operator()(GstCaps *caps) const { gst_caps_unref(caps); }
};
struct MessageUnref {
  void operator()(GstMessage *message) const { gst_message_unref(message); }
};
struct SampleUnref {
  void operator()(GstSample *sample) const { gst_sample_unref(sample); }
};
struct ErrorFree {
  void operator()(GError *error) const { g_error_free(error); }
};
struct GFree {
  void operator()(void *memory) const { g_free(memory); }
};

using ElementRef = std::unique_ptr<GstElement, GstObjectUnref>;
using PadRef = std::unique_ptr<GstPad, GstObjectUnref>;
using BusRef = std::unique_ptr<GstBus, GstObjectUnref>;
using CapsRef = std::unique_ptr<GstCaps, CapsUnref>;
using MessageRef = std::unique_ptr<GstMessage, MessageUnref>;
using SampleRef = std::unique_ptr<GstSample, SampleUnref>;
using ErrorRef = std::unique_ptr<GError, ErrorFree>;
using Text = std::unique_ptr<gchar, GFree>;

/** A file descriptor. */
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

private:
  int fd_ = -1;
};

/** A buffer's bytes for reading. */
class MappedBuffer {
public:
  explicit MappedBuffer(GstBuffer *buffer) : buffer_(buffer), mapped_(gst_buffer_map(buffer, &info_, GST_MAP_READ)) {}
  ~MappedBuffer() {
    if (mapped_) gst_buffer_unmap(buffer_, &info_);
  }
  MappedBuffer(const MappedBuffer &) = delete;
  MappedBuffer &operator=(const MappedBuffer &) = delete;

  explicit operator bool() const { return mapped_; }
  const guint8 *data() const { return info_.data; }
  gsize size() const { return info_.size; }

private:
  GstBuffer *buffer_;
  GstMapInfo info_{};
  bool mapped_;
};

} // namespace sightline::app
