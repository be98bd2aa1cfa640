"""Makes the demo's models and film again, step by step. `python make.py --help`.

Each step is a program of this folder; it runs in its own process, prints its progress, and leaves a stamp in
`.cache/demo-models/done/`, so that the next run skips it. A step runs again when its command or the code of this folder that it uses
has changed since, when a step that it needs has run since, or with `--again`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import sources

FOLDER = Path(__file__).resolve().parent
CACHE = FOLDER.parents[1] / '.cache' / 'demo-models'


@dataclass(frozen=True)
class Step:
    """What one word of the command line does."""

    about: str
    commands: tuple[tuple[str, ...], ...]
    """Programs of this folder with their arguments, one after the other."""
    needs: tuple[str, ...] = ()


STEPS: dict[str, Step] = {
    'scenes': Step('draws the scenes that the detector is trained on', (('detector.py', '--scenes-only'),)),
    'detector': Step('trains the detector, about 15 minutes on two cores', (('detector.py',),), ('scenes',)),
    'crops': Step('draws the crops that the embedder is trained on', (('crops.py',),)),
    'embedder': Step('trains the embedder', (('embedder.py',),), ('crops',)),
    'evaluate': Step(
        'measures both on characters that they never saw', (('evaluate_detector.py',), ('evaluate_embedder.py',)), ('detector', 'embedder')
    ),
    'golden': Step(
        'writes what the tests expect of both models', (('golden_detector.py',), ('golden_embedder.py',)), ('detector', 'embedder')
    ),
    'cast': Step('writes the cast and draws the portraits', (('cast.py',), ('portraits.py',))),
    'film': Step('renders the film and its ground truth, then measures both models on it', (('film.py',), ('measure.py',)), ('cast',)),
}


def order(wanted: list[str]) -> list[str]:
    """The named steps (or all) and what they need, what is needed first."""
    found: list[str] = []

    def visit(name: str) -> None:
        for needed in STEPS[name].needs:
            visit(needed)
        if name not in found:
            found.append(name)

    for name in STEPS if 'all' in wanted else wanted:
        visit(name)
    return found


def stamp_of(name: str) -> str:
    """What a run of a step depends on: its commands, their code, and when what it needs was finished and from what. To be asked for
    once the needed steps are done, and before the step runs: code that is edited meanwhile makes it run again."""
    step = STEPS[name]
    parts = [
        *(' '.join(command) for command in step.commands),
        *(sources.digest(Path(program).stem) for program, *_ in step.commands),
        *((CACHE / 'done' / needed).read_text() for needed in step.needs),
    ]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def is_done(stamp: Path, expected: str) -> bool:
    """Whether a stamp says so; one that cannot be read does not."""
    try:
        return json.loads(stamp.read_text())['of'] == expected
    except (OSError, ValueError, TypeError):
        return False


def run(name: str, again: bool) -> float:
    """Runs a step unless it is done; the seconds that it took."""
    stamp, expected = CACHE / 'done' / name, stamp_of(name)
    if not again and is_done(stamp, expected):
        print(f'== {name}: done before', flush=True)
        return 0.0
    stamp.unlink(missing_ok=True)
    begun = time.monotonic()
    for program, *arguments in STEPS[name].commands:
        print(f'== {name}: {program} {" ".join(arguments)}'.rstrip(), flush=True)
        environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONUNBUFFERED': '1'}
        code = subprocess.run([sys.executable, str(FOLDER / program), *arguments], env=environment, check=False).returncode
        if code != 0:
            raise SystemExit(f'{program} ended with {code}; what is done so far is kept')
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(json.dumps({'of': expected, 'finished': time.time()}))
    return time.monotonic() - begun


def main() -> None:
    width = max(map(len, STEPS))
    listing = '\n'.join(f'  {name:{width}}  {step.about}' for name, step in STEPS.items())
    parser = argparse.ArgumentParser(
        description='makes the models and the film of the demo again', epilog=f'steps:\n{listing}', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('steps', nargs='+', choices=[*STEPS, 'all'], metavar='STEP', help='a step, or all; what it needs is made first')
    parser.add_argument('--again', action='store_true', help='run the named steps even if they are done')
    asked = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    times = {name: run(name, asked.again and (name in asked.steps or 'all' in asked.steps)) for name in order(asked.steps)}
    for name, seconds in times.items():
        print(f'{name:{width}}  {seconds:7.0f} s')


if __name__ == '__main__':
    main()
