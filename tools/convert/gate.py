"""The accuracy gate: a converted network must answer as its source does, on real pictures, or nothing is written.

Detectors are held to their boxes: every box that one of the two reports must be found by the other, of the same class. Embedders are
held to the cosine of the two vectors.
"""

from dataclasses import dataclass

import numpy as np
from boxes import Boxes, ious
from refusal import Refused


@dataclass(frozen=True)
class Limits:
    iou: float
    """Least overlap of a box with its partner."""
    score: float
    """Most difference of their scores."""
    point: float
    """Most distance of their landmarks, in sides of the box."""
    cosine: float


LIMITS = {
    "fp32": Limits(iou=0.99, score=0.005, point=0.005, cosine=0.99999),
    "fp16": Limits(iou=0.95, score=0.02, point=0.02, cosine=0.999),
}
LEAST_BOXES = 5
"""A gate that saw fewer has seen nothing."""


@dataclass
class Verdict:
    """What was seen so far; `problems` names each breach with its picture."""

    limits: Limits
    pictures: int = 0
    boxes: int = 0
    least_iou: float = 1.0
    most_score: float = 0.0
    most_point: float = 0.0
    least_cosine: float = 1.0
    problems: list[str] | None = None

    def breach(self, text: str) -> None:
        self.problems = [*(self.problems or []), text]

    def finish(self, detector: bool) -> None:
        """Raises `Refused` unless the gate is passed."""
        if detector and self.boxes < LEAST_BOXES and not self.problems:
            raise Refused(
                f"the accuracy gate saw {self.boxes} boxes in {self.pictures} pictures, and wants {LEAST_BOXES}: give it pictures (--pictures) "
                "that show what this network finds"
            )
        if self.problems:
            shown = "\n  ".join(self.problems[:8])
            more = f"\n  and {len(self.problems) - 8} more" if len(self.problems) > 8 else ""
            raise Refused(f"the accuracy gate is not passed, nothing was written:\n  {shown}{more}")

    def figures(self, detector: bool) -> dict:
        if not detector:
            return {"inputs": self.pictures, "least_cosine": round(self.least_cosine, 7), "limit_cosine": self.limits.cosine}
        return {
            "pictures": self.pictures,
            "boxes": self.boxes,
            "least_iou": round(self.least_iou, 5),
            "limit_iou": self.limits.iou,
            "most_score_difference": round(self.most_score, 5),
            "limit_score_difference": self.limits.score,
            "most_landmark_distance": round(self.most_point, 5),
            "limit_landmark_distance": self.limits.point,
        }


def compare_boxes(verdict: Verdict, picture: str, reported: Boxes, candidates: Boxes, side: str) -> None:
    """Every box of `reported` (after suppression) must be among `candidates` (before it, and a little below the threshold), so that two
    boxes of nearly one score may change places. `side` names whose the reported boxes are."""
    for index in range(len(reported.scores)):
        label = f"{picture}: a box of class {reported.classes[index]} and score {reported.scores[index]:.3f} of the {side} network"
        same = np.flatnonzero(candidates.classes == reported.classes[index])
        if len(same) == 0:
            verdict.breach(f"{label} has no partner")
            continue
        overlaps = ious(_seen(reported.corners[index]), _seen(candidates.corners[same]))
        # The partner is the nearest in units of the limits: a neighbouring cell may overlap as well and score otherwise.
        differences = np.abs(candidates.scores[same] - reported.scores[index])
        partner = int(np.maximum((1 - overlaps) / (1 - verdict.limits.iou), differences / verdict.limits.score).argmin())
        overlap, score = float(overlaps[partner]), float(differences[partner])
        verdict.least_iou, verdict.most_score = min(verdict.least_iou, overlap), max(verdict.most_score, score)
        if not overlap >= verdict.limits.iou:
            verdict.breach(f"{label} overlaps its partner by {overlap:.4f}; at least {verdict.limits.iou} is wanted")
        if not score <= verdict.limits.score:
            verdict.breach(f"{label} differs from its partner's by {score:.4f}; at most {verdict.limits.score} is allowed")
        if reported.points is not None and candidates.points is not None:
            _compare_points(verdict, label, reported, candidates, index, int(same[partner]))


def _seen(corners: np.ndarray) -> np.ndarray:
    """With half a pixel on each side: boxes without area overlap nothing, themselves neither."""
    return corners + np.array([-0.5, -0.5, 0.5, 0.5])


def _compare_points(verdict, label, reported, candidates, index, partner):
    side = float((reported.corners[index, 2:] - reported.corners[index, :2]).max())
    apart = float(np.abs(reported.points[index] - candidates.points[partner]).max()) / max(side, 1e-9)
    verdict.most_point = max(verdict.most_point, apart)
    if not apart <= verdict.limits.point:
        verdict.breach(f"{label} has a landmark {apart:.4f} of its side away; at most {verdict.limits.point} is allowed")


def compare_vectors(verdict: Verdict, name: str, source: np.ndarray, converted: np.ndarray) -> None:
    a, b = np.asarray(source, np.float64).ravel(), np.asarray(converted, np.float64).ravel()
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))) if a.shape == b.shape else float("nan")
    verdict.least_cosine = min(verdict.least_cosine, cosine)
    if not cosine >= verdict.limits.cosine:
        verdict.breach(f"{name}: cosine {cosine:.6f} to the source's vector; at least {verdict.limits.cosine} is wanted")


def require_equal(what: str, source: list[np.ndarray], converted: list[np.ndarray], limit: float) -> None:
    """Largest difference in units of the largest value. Raises `Refused`."""
    for a, b in zip(source, converted, strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if a.shape != b.shape:
            raise Refused(f"{what}: shapes {list(a.shape)} and {list(b.shape)}")
        apart = float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-9)) if a.size else 0.0
        if not apart <= limit:
            raise Refused(f"{what}: values differ by {apart:.2g} of the largest; at most {limit} is allowed")
