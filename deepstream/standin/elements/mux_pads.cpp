#include "mux_pads.h"

namespace standin {

namespace {

bool has_frame(const MuxInput &input) {
  return !input.queue.empty() && input.queue.front().buffer != nullptr;
}

} // namespace

size_t frames_waiting(const MuxInput &input) {
  size_t count = 0;
  for (const Waiting &waiting : input.queue) count += waiting.buffer != nullptr ? 1 : 0;
  return count;
}

void drop_waiting(MuxInput *input) {
  for (Waiting &waiting : input->queue) {
    gst_clear_buffer(&waiting.buffer);
    gst_clear_event(&waiting.event);
  }
  input->queue.clear();
}

void drop_scaler(MuxInput *input) {
  if (input->scaler != nullptr) gst_video_converter_free(input->scaler);
  input->scaler = nullptr;
}

MuxInput *MuxInputs::find(uint32_t index) {
  const auto at = inputs_.find(index);
  return at == inputs_.end() ? nullptr : &at->second;
}

MuxInput *MuxInputs::add(uint32_t index, GstPad *pad) {
  MuxInput *input = &inputs_[index];
  input->pad = pad;
  gst_segment_init(&input->segment, GST_FORMAT_TIME);
  return input;
}

void MuxInputs::remove(uint32_t index) {
  MuxInput *input = find(index);
  if (input == nullptr) return;
  drop_waiting(input);
  drop_scaler(input);
  inputs_.erase(index);
}

void MuxInputs::clear() {
  for (auto &[index, input] : inputs_) {
    drop_waiting(&input);
    drop_scaler(&input);
    GstPad *pad = input.pad;
    input = MuxInput{};
    input.pad = pad;
    gst_segment_init(&input.segment, GST_FORMAT_TIME);
  }
  next_ = 0;
}

bool MuxInputs::all_ended() const {
  for (const auto &[index, input] : inputs_)
    if (!input.ended || !input.queue.empty()) return false;
  return !inputs_.empty();
}

bool MuxInputs::any_frame() const {
  for (const auto &[index, input] : inputs_)
    if (has_frame(input)) return true;
  return false;
}

bool MuxInputs::any_event() const {
  for (const auto &[index, input] : inputs_)
    if (!input.queue.empty() && input.queue.front().event != nullptr) return true;
  return false;
}

bool MuxInputs::batch_full(size_t most) const {
  size_t ready = 0;
  bool everyone = true;
  for (const auto &[index, input] : inputs_) {
    if (has_frame(input)) {
      ++ready;
    } else if (!input.ended) {
      everyone = false;
    }
  }
  return ready > 0 && (everyone || ready >= most);
}

std::vector<uint32_t> MuxInputs::turn(size_t most) {
  std::vector<uint32_t> chosen;
  auto at = inputs_.lower_bound(next_);
  for (size_t i = 0; i < inputs_.size() && chosen.size() < most; ++i) {
    if (at == inputs_.end()) at = inputs_.begin();
    if (has_frame(at->second)) chosen.push_back(at->first);
    ++at;
  }
  if (!chosen.empty()) next_ = chosen.back() + 1;
  return chosen;
}

} // namespace standin
