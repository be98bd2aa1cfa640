"""The cast of the film: who they are, what they wear, what the demo says about them. Writes demo/cast.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from body import Outfit, Person
from characters import Identity, random_identity
from clothes import Clothes
from palette import CLOTH

DEMO = Path(__file__).resolve().parents[2] / 'demo'
NAVY, TEAL, SAGE, MUSTARD, RUST, WINE, ROSE, PLUM, IVORY, SLATE, BROWN, SKY, SAND, STEEL, PEACH = range(len(CLOTH))
DARK, LEATHER, WHITE = (0.20, 0.14, 0.16), (0.42, 0.24, 0.16), (0.90, 0.87, 0.80)


@dataclass(frozen=True)
class Member:
    """`role`: listed, lookalike, ignored, hidden or other. `sentence` is what the tour says."""

    person: Person
    role: str
    description: str
    sentence: str


def base(seed: int, **features: object) -> Identity:
    """A character of the seed with some features fixed; nothing on the head and no marks unless said."""
    plain = {'hat': 'none', 'glasses': 'none', 'beard': 'none', 'mole': 0, 'freckles': 0.0, 'wrinkles': 0.0, 'earring': 'none'}
    return replace(random_identity(np.random.default_rng(seed), cast=True), **{**plain, **features})


ADA = base(
    101, skin=1, skin_other=2, skin_mix=0.2, head_width=0.98, crown=1.2, chin=1.15, jaw=0.3, chin_width=0.36, cheeks=0.7, hair='curly',
    hair_colour='ginger', hair_volume=1.25, hair_tone=-0.04, hair_length=0.9, glasses='round', glasses_colour='navy', glasses_size=1.0, freckles=0.75,
    iris='green', eye_open=0.8, eye_size=0.18, eye_tilt=0.06, eye_round=0.6, lashes=0.85, eye_shadow=0.0, brow_thickness=0.042, brow_tilt=0.13,
    brow_length=0.23, nose='button', nose_width=0.15, nose_y=0.36, nose_tint=0.5, mouth_width=0.33, mouth_y=0.70, mouth_curve=0.22, lip_upper=0.06,
    lip_lower=0.08, lip_tint=0, lip_strength=0.75, blush=0.65,
)  # fmt: skip


def double(seed: int) -> Identity:
    """Somebody with Ada's hair and skin and another friendly face: a candidate for her double."""
    other = random_identity(np.random.default_rng([77, seed]), cast=True)
    kept = ('skin', 'skin_other', 'skin_mix', 'hair', 'hair_colour', 'hair_tone', 'hair_volume', 'hairline', 'hair_part', 'hair_length', 'hair_texture')
    same = {name: getattr(ADA, name) for name in kept}
    calm = {'hat': 'none', 'glasses': 'none', 'beard': 'none', 'wrinkles': 0.0, 'eye_shadow': 0.0, 'lashes': 0.8, 'mole': 0, 'freckles': 0.0}
    return replace(other, **same, **calm, eye_open=max(0.7, other.eye_open), mouth_curve=max(0.1, other.mouth_curve))


#: Of the fittest twelve of `measure.py --choose 50` the one with the most room below the threshold.
NORA = double(18)

CAST: tuple[Member, ...] = (
    Member(
        Person('ada', ADA, Outfit('jumper', Clothes('crew', 'plain', TEAL, MUSTARD), CLOTH[NAVY], (0.55, 0.22, 0.18), prop='bag', prop_colour=CLOTH[MUSTARD]), 1.0),
        'listed', 'Red curls, round glasses, freckles; a teal jumper.', 'Ada is on the list: when she comes, an alert is raised.',
    ),
    Member(
        Person('bruno', base(
            203, skin=4, skin_other=5, skin_mix=0.3, hair='quiff', hair_colour='black', beard='full', beard_length=0.35, beard_tone=0.0, iris='brown',
            brow_thickness=0.075, brow_tilt=0.14, nose='straight', jaw=0.7, mouth_curve=0.2,
        ), Outfit('shirt', Clothes('collar', 'plain', MUSTARD, IVORY), CLOTH[SLATE], LEATHER), 1.04),
        'listed', 'Black quiff, full beard; a mustard shirt.', 'Bruno is on the list too; he comes out of the lift.',
    ),
    Member(
        Person('nora', NORA, Outfit('skirt', Clothes('vneck', 'plain', PLUM, IVORY), CLOTH[SAND], DARK), 0.99),
        'lookalike', "Ada's hair and skin, no glasses; a violet jumper.", 'Nora looks like Ada, and is not: no alert, and the ledger says why.',
    ),
    Member(
        Person('otto', base(
            305, skin=2, skin_other=3, skin_mix=0.3, hair='receding', hair_colour='white', beard='handlebar', wrinkles=0.8, iris='blue', brow_tilt=0.18,
            nose='round', nose_tint=0.8, blush=0.7, mouth_curve=0.2, brow_thickness=0.07,
        ), Outfit('dungarees', Clothes('crew', 'plain', IVORY, RUST), (0.28, 0.40, 0.52), LEATHER, prop='can'), 1.0),
        'ignored', 'White moustache, blue dungarees; waters the plants.', 'Otto works here: he is on a list that is ignored, so he is known and causes no alert.',
    ),
    Member(
        Person('sid', base(406, skin=3, hair='parted', hair_colour='brown', hat='brim', hat_colour=BROWN), Outfit(
            'coat', Clothes('jacket', 'plain', SAND, BROWN), CLOTH[SLATE], DARK, prop='newspaper'), 1.05, faceless=True),
        'hidden', 'A coat, a hat, and a newspaper where the face should be.', 'Sid reads as he walks: no face is seen, so nobody is recognised.',
    ),
    Member(
        Person('kofi', base(
            507, skin=10, skin_other=11, skin_mix=0.2, hair='afro', hair_colour='black', hair_volume=0.75, glasses='square', glasses_colour='gold', iris='dark', eye_open=0.9, eye_size=0.185, jaw=0.55, brow_tilt=0.12, brow_dark=0.3, nose='wide', beard='goatee', beard_length=0.2, lip_tint=3, lip_strength=0.3,
            mouth_curve=0.2,
        ), Outfit('suit', Clothes('jacket', 'plain', NAVY, WINE), CLOTH[NAVY], DARK, prop='briefcase', prop_colour=(0.55, 0.32, 0.20)), 1.05),
        'other', 'Short afro, gold glasses; a navy suit and a briefcase.', 'Kofi meets Lena. Nobody asked for him: no alert.',
    ),
    Member(
        Person('lena', base(
            608, skin=2, skin_other=1, skin_mix=0.3, brow_raise=0.30, brow_thickness=0.04, eye_open=0.8, nose='pointed', hair='bun', hair_colour='blond', iris='blue', lashes=0.8, mouth_curve=0.22, earring='drop', earring_colour='red', brow_tilt=0.14,
        ), Outfit('dress', Clothes('crew', 'dots', WINE, IVORY), CLOTH[WINE], DARK), 0.97),
        'other', 'Blond bun, red ear drops; a wine-red dress.', 'Lena meets Kofi.',
    ),
    Member(
        Person('mei', base(
            709, skin=3, skin_other=2, skin_mix=0.3, hair='bob', hair_colour='black', iris='dark', eye_open=0.72, eye_tilt=0.12, eye_size=0.17, lashes=0.7, lip_tint=0, lip_strength=0.7, nose='button', mouth_curve=0.15, brow_tilt=0.1,
        ), Outfit('jumper', Clothes('crew', 'stripes', IVORY, NAVY), CLOTH[RUST], WHITE, prop='bag', prop_colour=CLOTH[SAGE]), 0.96),
        'other', 'Black bob; a striped jumper.', 'Mei hurries by close to the camera.',
    ),
    Member(
        Person('pip', base(
            810, skin=6, skin_other=7, skin_mix=0.3, hair='pigtails', hair_colour='espresso', iris='brown', eye_open=0.95, eye_size=0.2, nose='button', mouth_curve=0.28, cheeks=0.9,
            chin=1.06, blush=0.8, brow_tilt=0.16, jaw=0.3,
        ), Outfit('dungarees', Clothes('crew', 'plain', IVORY, MUSTARD), CLOTH[SAGE], (0.75, 0.28, 0.24), prop='balloon', prop_colour=(0.86, 0.26, 0.24)), 0.78),
        'other', 'Pigtails, green dungarees, a red balloon.', 'Pip says hello with a balloon.',
    ),
)  # fmt: skip


def people() -> dict[str, Person]:
    return {member.person.name: member.person for member in CAST}


def listed() -> list[str]:
    return [member.person.name for member in CAST if member.role == 'listed']


def write(path: Path = DEMO / 'cast.json') -> None:
    rows = [{'name': item.person.name, 'role': item.role, 'description': item.description, 'sentence': item.sentence} for item in CAST]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('[\n' + ',\n'.join(f'  {json.dumps(row)}' for row in rows) + '\n]\n')


if __name__ == '__main__':
    write()
