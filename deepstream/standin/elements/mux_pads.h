// What the multiplexer knows of its inputs: a bounded queue for each, and which of them go into the next batch.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include <gst/video/video.h>

#include "frames.h"

namespace standin {

/** A frame that waits, or an event that goes through in its turn. One of the two is set. */
struct Waiting {
  GstBuffer *buffer = nullptr;
  GstEvent *event = nullptr;
};

struct MuxInput {
  GstPad *pad = nullptr;
  // Under the multiplexer's lock.
  std::deque<Waiting> queue;
  bool announced = false;
  bool flushing = false;
  /** The end of its stream stands in the queue, or has left it. */
  bool ended = false;
  // The task's own: as of the frame that left the queue last.
  GstSegment segment{};
  GstVideoInfo info{};
  uint64_t frames = 0;
  int frame_number = 0;
  GstVideoConverter *scaler = nullptr;
};

/** How many frames wait for each input at most: its decoder waits when more come. */
constexpr size_t kWaitingFrames = 2;

class MuxInputs {
public:
  MuxInput *find(uint32_t index);
  MuxInput *add(uint32_t index, GstPad *pad);
  void remove(uint32_t index);
  void clear();
  bool empty() const { return inputs_.empty(); }
  bool all_ended() const;
  /** Every input that has not ended has a frame, or as many as a batch holds have. */
  bool batch_full(size_t most) const;
  bool any_frame() const;
  /** An event is first in a queue: it goes ahead of any batch. */
  bool any_event() const;
  /** Whose turn it is: one frame each, at most `most`, beginning after the last that was served. */
  std::vector<uint32_t> turn(size_t most);
  std::map<uint32_t, MuxInput> &all() { return inputs_; }

private:
  std::map<uint32_t, MuxInput> inputs_;
  uint32_t next_ = 0;
};

size_t frames_waiting(const MuxInput &input);
void drop_waiting(MuxInput *input);
void drop_scaler(MuxInput *input);

} // namespace standin
