#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace sightline::app {

/** Totals of a camera. */
struct WorkDone {
  /** Frames that were worked on, and that should have been. */
  double done = 0;
  double due = 0;
  /** Frames that were passed over because there was too much to do: no more than these are missed. */
  double passed_over = 0;
};

/** How much may be missed. */
struct PaceLimits {
  /** Share of missed frames above which a camera is late, and up to which it is not any more. */
  double late_from;
  double well_up_to;
  /** Longer than what makes it late, so that a camera does not go to and fro. */
  std::int64_t well_after_us;
};

constexpr PaceLimits look_limits{0.1, 0.02, 30'000'000};
/** Units are skipped many at once, a minute and more apart where the machine lacks but little. */
constexpr PaceLimits decode_limits{0, 0, 180'000'000};

struct PaceVerdict {
  bool late = false;
  /** While it is late. */
  double fps = 0;
  double due_fps = 0;
};

/** Whether a camera is worked on as often as is asked, after src/software-worker/keeping-up.ts. Pure. */
class KeepingUp {
public:
  explicit KeepingUp(const PaceLimits &limits) : limits_(limits) {}

  /** Once a second or so; the verdict when there is something new to say. */
  std::optional<PaceVerdict> add(const WorkDone &totals, std::int64_t now_us);
  /** Forgets everything: what comes next has nothing to do with what was. */
  void reset();

private:
  struct Sample {
    WorkDone work;
    std::int64_t at_us;
  };
  struct Span {
    double seconds;
    double done;
    double missed;
    double missed_share() const { return missed == 0 ? 0 : missed / (done + missed); }
  };
  struct Told {
    double fps;
    std::int64_t at_us;
  };
  std::optional<Span> since(std::int64_t least_us, double least_frames) const;
  PaceVerdict say_late(const Span &span, std::int64_t now_us);

  PaceLimits limits_;
  std::deque<Sample> samples_;
  std::optional<Told> told_;
};

} // namespace sightline::app
