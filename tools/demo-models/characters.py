"""Who a drawn character is (Identity) and how it holds itself in one picture (Pose).

Both are plain numbers, drawn from a numpy generator, so that one seed makes the same people everywhere. Lengths are
in head units (half the width of an average face = 1; x to the right, y down, origin in the middle of the head),
angles in radians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from palette import CLOTH, FRAMES, IRIS, NATURAL_HAIR, OLD_HAIR, SKIN, VIVID_HAIR

HAIR_STYLES = (
    'bald', 'buzz', 'parted', 'quiff', 'fringe', 'bob', 'long', 'wavy', 'bun', 'afro', 'curly', 'ponytail',
    'spiky', 'receding', 'mohawk', 'pigtails', 'curtains', 'pixie', 'undercut', 'braids',
)  # fmt: skip
HAIR_WEIGHTS = (4, 5, 7, 6, 6, 7, 6, 6, 5, 4, 7, 5, 4, 4, 1.5, 2.5, 5, 6, 4, 3)
NOSES = ('button', 'round', 'straight', 'pointed', 'wide', 'long')
BEARDS = ('none', 'stubble', 'full', 'goatee', 'moustache', 'handlebar', 'strap')
GLASSES = ('none', 'round', 'square', 'half', 'cat', 'shades')
HATS = ('none', 'cap', 'beanie', 'brim', 'band')
EARRINGS = ('none', 'stud', 'hoop', 'drop')
LIP_TINTS: tuple[tuple[float, float, float], ...] = (
    (0.780, 0.330, 0.310),
    (0.700, 0.230, 0.260),
    (0.820, 0.420, 0.420),
    (0.600, 0.250, 0.330),
    (0.740, 0.400, 0.330),
)


@dataclass(frozen=True)
class Identity:
    """All that stays the same about a character from picture to picture."""

    # Skin: an index into palette.SKIN, a second one, and how much of it is mixed in (0 to 0.5).
    skin: int
    skin_other: int
    skin_mix: float
    # Head: half width, crown above and chin below the middle, squareness of the jaw (0 to 1), half width of the chin.
    head_width: float
    crown: float
    chin: float
    jaw: float
    chin_width: float
    cheeks: float
    # Ears and what hangs on them.
    ear_size: float
    ear_out: float
    earring: str
    earring_colour: str
    # Hair: hairline is its height above the middle of the head, part is -1 (left) to 1 (right), texture a seed.
    hair: str
    hair_colour: str
    hair_tone: float
    hair_volume: float
    hairline: float
    hair_part: float
    hair_length: float
    hair_texture: int
    # Eyes: half distance, height of the line of the eyes, half width, opening, tilt (outer corner up), iris.
    eye_spacing: float
    eye_y: float
    eye_size: float
    eye_open: float
    eye_tilt: float
    eye_round: float
    iris: str
    iris_size: float
    lashes: float
    lid_fold: float
    eye_shadow: float
    # Brows: length, thickness and distance above the eyes; tilt is positive when the inner ends are raised.
    brow_length: float
    brow_thickness: float
    brow_tilt: float
    brow_arch: float
    brow_raise: float
    brow_dark: float
    # Nose: kind, half width, height of the tip.
    nose: str
    nose_width: float
    nose_y: float
    nose_tint: float
    # Mouth: half width, height, fullness of both lips, colour and its strength, rest curve (positive smiles).
    mouth_width: float
    mouth_y: float
    lip_upper: float
    lip_lower: float
    lip_tint: int
    lip_strength: float
    mouth_curve: float
    # Beard: kind, length, and how much lighter (positive) than the hair.
    beard: str
    beard_length: float
    beard_tone: float
    # Glasses, hat.
    glasses: str
    glasses_colour: str
    glasses_size: float
    hat: str
    hat_colour: int
    # Marks: strengths from 0 to 1; the mole sits at (mole_x, mole_y) when mole is 1.
    freckles: float
    mole: int
    mole_x: float
    mole_y: float
    wrinkles: float
    blush: float


@dataclass(frozen=True)
class Pose:
    """How a character looks in one picture.

    yaw > 0 turns the face to the right of the image, pitch > 0 looks down, roll > 0 leans clockwise (all rad).
    smile is -0.5 (sad) to 1, mouth_open and blink 0 to 1, gaze -1 to 1 of the room in the eye, brow -1 (low) to 1
    (raised). light is the direction that the light comes from, 0 from above, positive from the right (rad);
    light_strength is 0 (flat) to 1.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    smile: float = 0.3
    mouth_open: float = 0.0
    blink: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    brow: float = 0.0
    light: float = -0.5
    light_strength: float = 0.5


FIELDS_OF: dict[str, tuple[str, ...]] = {
    'eyes': tuple(f.name for f in fields(Identity) if f.name.startswith(('eye_', 'iris', 'lashes', 'lid_'))),
    'brows': tuple(f.name for f in fields(Identity) if f.name.startswith('brow_')),
    'nose': tuple(f.name for f in fields(Identity) if f.name.startswith('nose')),
    'mouth': tuple(f.name for f in fields(Identity) if f.name.startswith(('mouth_', 'lip_'))),
    'jaw': ('head_width', 'chin', 'jaw', 'chin_width', 'cheeks'),
    'glasses': ('glasses', 'glasses_colour', 'glasses_size'),
    'beard': ('beard', 'beard_length', 'beard_tone'),
    'hair': ('hair', 'hair_colour', 'hair_tone', 'hair_volume', 'hairline', 'hair_part', 'hair_length', 'hair_texture'),
    'marks': ('freckles', 'mole', 'mole_x', 'mole_y', 'wrinkles', 'blush'),
    'skin': ('skin', 'skin_other', 'skin_mix'),
}
GROUPS: tuple[str, ...] = tuple(FIELDS_OF)


def pick(rng: np.random.Generator, names: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """One of the names, by weight."""
    if weights is None:
        return names[int(rng.integers(len(names)))]
    share = np.asarray(weights, float)
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform number."""
    return float(rng.uniform(low, high))


def near(rng: np.random.Generator, middle: float, spread: float, low: float, high: float) -> float:
    """Normal number held between two bounds."""
    return float(np.clip(rng.normal(middle, spread), low, high))


def _hair_colour(rng: np.random.Generator, dark_skin: bool) -> str:
    roll = rng.random()
    if roll < 0.08:
        return pick(rng, VIVID_HAIR)
    if roll < 0.22:
        return pick(rng, OLD_HAIR)
    weights = (5, 4, 3, 1.2, 0.6, 0.5, 0.5, 0.5, 0.4) if dark_skin else (2.5, 2, 2.5, 2.5, 1.5, 2, 1.5, 2, 2.5)
    return pick(rng, NATURAL_HAIR, weights)


def random_identity(rng: np.random.Generator, cast: bool = False) -> Identity:
    """A new character; `cast` gives people for the film: friendly brows, beards only where they are usual."""
    skin = int(rng.integers(len(SKIN)))
    masculine = bool(rng.random() < 0.5)
    older = bool(rng.random() < 0.18)
    weights = np.array(HAIR_WEIGHTS, float)
    if cast:
        usual = {'bob', 'long', 'wavy', 'bun', 'ponytail', 'pigtails', 'curtains', 'braids'}
        rare = {'bald', 'buzz', 'quiff', 'receding', 'mohawk', 'undercut', 'spiky'}
        for i, style in enumerate(HAIR_STYLES):
            if style in (usual if masculine else rare):
                weights[i] *= 0.05
        weights[HAIR_STYLES.index('mohawk')] *= 0.3
    bearded = rng.random() < (0.55 if masculine else (0.0 if cast else 0.12))
    beard = pick(rng, BEARDS[1:], (2, 4, 2.5, 2, 0 if cast else 1, 1.5)) if bearded else 'none'
    hair_colour = pick(rng, OLD_HAIR, (3, 2, 0.5)) if older else _hair_colour(rng, skin >= 7)
    tilt = near(rng, 0.12, 0.10, -0.05, 0.35) if cast else near(rng, 0.06, 0.16, -0.28, 0.4)
    return Identity(
        skin=skin,
        skin_other=int(np.clip(skin + rng.integers(-2, 3), 0, len(SKIN) - 1)),
        skin_mix=between(rng, 0, 0.5),
        head_width=near(rng, 1.0, 0.035, 0.92, 1.08),
        crown=near(rng, 1.2, 0.05, 1.08, 1.32),
        chin=near(rng, 1.17, 0.065, 1.02, 1.34),
        jaw=near(rng, 0.62 if masculine else 0.38, 0.22, 0, 1),
        chin_width=near(rng, 0.38, 0.08, 0.22, 0.58),
        cheeks=between(rng, 0, 1),
        ear_size=near(rng, 0.24, 0.035, 0.17, 0.33),
        ear_out=near(rng, 0.10, 0.035, 0.03, 0.2),
        earring=pick(rng, EARRINGS, (7, 1, 1, 1) if masculine else (2, 2, 2, 2)),
        earring_colour=pick(rng, ('gold', 'steel', 'red', 'green', 'navy', 'white')),
        hair=pick(rng, HAIR_STYLES, weights),
        hair_colour=hair_colour,
        hair_tone=near(rng, 0, 0.06, -0.12, 0.12),
        hair_volume=near(rng, 1.0, 0.18, 0.6, 1.5),
        hairline=near(rng, 0.70, 0.05, 0.58, 0.82),
        hair_part=between(rng, -1, 1),
        hair_length=between(rng, 0, 1),
        hair_texture=int(rng.integers(1 << 16)),
        **_eyes(rng, masculine),
        brow_length=near(rng, 0.25, 0.035, 0.16, 0.34),
        brow_thickness=near(rng, 0.062 if masculine else 0.043, 0.018, 0.018, 0.11),
        brow_tilt=tilt,
        brow_arch=near(rng, 0.07, 0.035, 0.0, 0.15),
        brow_raise=near(rng, 0.32, 0.035, 0.24, 0.42),
        brow_dark=between(rng, 0.0, 0.45),
        nose=pick(rng, NOSES),
        nose_width=near(rng, 0.17, 0.035, 0.10, 0.27),
        nose_y=near(rng, 0.38, 0.05, 0.26, 0.5),
        nose_tint=between(rng, 0, 1),
        mouth_width=near(rng, 0.33, 0.055, 0.2, 0.46),
        mouth_y=near(rng, 0.72, 0.035, 0.64, 0.80),
        lip_upper=near(rng, 0.055, 0.022, 0.012, 0.11),
        lip_lower=near(rng, 0.075, 0.025, 0.02, 0.13),
        lip_tint=int(rng.integers(len(LIP_TINTS))),
        lip_strength=near(rng, 0.35 if masculine else 0.6, 0.18, 0.12, 1.0),
        mouth_curve=near(rng, 0.15 if cast else 0.05, 0.12, -0.2, 0.35),
        beard=beard,
        beard_length=between(rng, 0, 1),
        beard_tone=near(rng, 0.0, 0.08, -0.15, 0.15),
        glasses=pick(rng, GLASSES, (62, 10, 11, 6, 6, 3 if cast else 5)),
        glasses_colour=pick(rng, tuple(FRAMES), (4, 3, 1.5, 2, 2, 2, 1, 1)),
        glasses_size=near(rng, 1.0, 0.08, 0.85, 1.18),
        hat=pick(rng, HATS, (82, 5, 5, 4, 4)),
        hat_colour=int(rng.integers(len(CLOTH))),
        freckles=between(rng, 0.4, 1) if rng.random() < 0.16 else 0.0,
        mole=int(rng.random() < 0.12),
        mole_x=between(rng, 0.2, 0.6) * float(rng.choice((-1, 1))),
        mole_y=between(rng, 0.3, 0.85),
        wrinkles=between(rng, 0.5, 1) if older else 0.0,
        blush=near(rng, 0.45, 0.25, 0, 1),
    )


def _eyes(rng: np.random.Generator, masculine: bool) -> dict[str, float | str]:
    return {
        'eye_spacing': near(rng, 0.425, 0.032, 0.35, 0.50),
        'eye_y': near(rng, 0.02, 0.04, -0.08, 0.10),
        'eye_size': near(rng, 0.172, 0.020, 0.125, 0.22),
        'eye_open': near(rng, 0.80, 0.15, 0.48, 1.1),
        'eye_tilt': near(rng, 0.05, 0.10, -0.18, 0.28),
        'eye_round': between(rng, 0, 1),
        'iris': pick(rng, tuple(IRIS), (3, 3, 1, 1.2, 1.6, 2, 1.4)),
        'iris_size': near(rng, 0.095, 0.010, 0.07, 0.12),
        'lashes': near(rng, 0.2 if masculine else 0.6, 0.2, 0, 1),
        'lid_fold': between(rng, 0, 1),
        'eye_shadow': between(rng, 0.3, 1) if not masculine and rng.random() < 0.3 else 0.0,
    }


def sibling(identity: Identity, rng: np.random.Generator, groups: Sequence[str] | None = None) -> Identity:
    """A look-alike: the identity with the named groups of features (or 2 to 4 drawn ones) taken from another.

    Every changed group differs in something that the face crop shows. Unknown group names raise KeyError.
    """
    if groups is None:
        count = int(rng.integers(2, 5))
        groups = [GROUPS[int(i)] for i in rng.choice(len(GROUPS), count, replace=False)]
    changed: dict[str, object] = {}
    for group in groups:
        names = FIELDS_OF[group]
        for _ in range(20):
            donor = random_identity(rng)
            if _visibly_other(identity, donor, group):
                break
        changed.update({name: getattr(donor, name) for name in names})
    return replace(identity, **changed)


def _visibly_other(a: Identity, b: Identity, group: str) -> bool:
    match group:
        case 'glasses' | 'beard' | 'nose':
            return getattr(a, group) != getattr(b, group)
        case 'hair':
            return a.hair_colour != b.hair_colour and a.hair != b.hair
        case 'skin':
            return abs(a.skin - b.skin) >= 3
        case 'marks':
            return abs(a.freckles - b.freckles) > 0.4 or a.mole != b.mole or abs(a.wrinkles - b.wrinkles) > 0.4
        case 'eyes':
            return a.iris != b.iris and abs(a.eye_open - b.eye_open) + abs(a.eye_tilt - b.eye_tilt) > 0.12
        case 'brows':
            return abs(a.brow_thickness - b.brow_thickness) > 0.015 or abs(a.brow_tilt - b.brow_tilt) > 0.15
        case 'mouth':
            return abs(a.mouth_width - b.mouth_width) > 0.05 or abs(a.lip_lower - b.lip_lower) > 0.03
        case _:
            return abs(a.jaw - b.jaw) > 0.25 or abs(a.chin - b.chin) > 0.08


def random_pose(rng: np.random.Generator, spread: float = 1.0) -> Pose:
    """A pose as people show it to a camera; `spread` scales the turns of the head."""
    talking = rng.random() < 0.35
    return Pose(
        yaw=near(rng, 0, 0.27 * spread, -0.65, 0.65),
        pitch=near(rng, 0.02, 0.14 * spread, -0.4, 0.4),
        roll=near(rng, 0, 0.14 * spread, -0.5, 0.5),
        smile=near(rng, 0.3, 0.35, -0.4, 1.0),
        mouth_open=between(rng, 0.15, 1.0) if talking else 0.0,
        blink=between(rng, 0.4, 1.0) if rng.random() < 0.08 else near(rng, 0, 0.08, 0, 0.3),
        gaze_x=near(rng, 0, 0.3, -0.8, 0.8),
        gaze_y=near(rng, 0, 0.2, -0.6, 0.6),
        brow=near(rng, 0.05, 0.3, -0.6, 1.0),
        light=near(rng, -0.3, 0.7, -1.5, 1.5),
        light_strength=between(rng, 0.15, 0.9),
    )
