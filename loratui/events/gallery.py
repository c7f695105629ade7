"""Where one is among a run's pictures: which prompt, which step, and what the arrow keys lead to. No widget here."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path

from loratui.events.history import History, SamplePicture


@dataclass(frozen=True)
class GalleryPictures:
    """All pictures of a run by prompt index and step, as they were at one moment."""

    by_place: dict[tuple[int, int], SamplePicture]
    prompts: tuple[int, ...]
    steps: tuple[int, ...]
    words: dict[int, str]  # the newest of each prompt: never trusted

    @classmethod
    def of(cls, history: History) -> GalleryPictures:
        """What `history` has now."""
        by_place = {(one.index, one.step): one for one in history.samples}
        prompts = tuple(sorted({index for index, _ in by_place}))
        newest = {index: max(step for one, step in by_place if one == index) for index in prompts}
        words = {index: history.label(by_place[index, step]) for index, step in newest.items()}
        return cls(by_place, prompts, tuple(sorted({step for _, step in by_place})), words)

    @property
    def common(self) -> tuple[int, ...]:
        """The steps of the run's own first prompt: the plan's, not what was asked for of others in between."""
        return self.steps_of(self.prompts[0]) if self.prompts else ()

    def at(self, place: GalleryPlace) -> SamplePicture | None:
        """The picture at `place`, or None where none was drawn."""
        return self.by_place.get((place.prompt, place.step))

    def base(self, prompt: int) -> SamplePicture | None:
        """The base model's picture of a prompt; a prompt that was added later has none."""
        return self.by_place.get((prompt, 0))

    def steps_of(self, prompt: int) -> tuple[int, ...]:
        """The steps at which a prompt was drawn."""
        return tuple(step for step in self.steps if (prompt, step) in self.by_place)

    def words_of(self, prompt: int) -> str:
        """The newest words of a prompt, after the seed where several have the same: never trusted."""
        return self.words.get(prompt, "")

    @property
    def newest(self) -> GalleryPlace | None:
        """The first prompt's newest picture."""
        return GalleryPlace(self.prompts[0], self.steps_of(self.prompts[0])[-1]) if self.prompts else None


@dataclass(frozen=True)
class GalleryPlace:
    """A prompt's index and a step."""

    prompt: int
    step: int


def moved(
    pictures: GalleryPictures, place: GalleryPlace, steps: int = 0, prompts: int = 0, all_steps: bool = False
) -> GalleryPlace:
    """The place `steps` to the right and `prompts` down, the edges being the ends.

    Only what was drawn counts, unless `all_steps`: the wall goes over its holes too.
    """
    if not pictures.prompts:
        return place
    row = pictures.prompts.index(place.prompt) if place.prompt in pictures.prompts else 0
    prompt = pictures.prompts[_inside(row + prompts, len(pictures.prompts))]
    known = pictures.steps if all_steps else pictures.steps_of(prompt)
    at = known.index(place.step) if place.step in known else _nearest(known, place.step)
    return replace(place, prompt=prompt, step=known[_inside(at + steps, len(known))])


def columns(pictures: GalleryPictures, count: int, at: int) -> tuple[int, ...]:
    """At most `count` (2 or more) of the steps: spread over the run, first and last among them, and always `at`.

    Where `at` is not one of the spread, it takes the place of the one next to it: going to the right step by step
    leads through all of them, and one picture changes at a time.
    """
    steps = pictures.steps
    if len(steps) <= count:
        return steps
    likely = sorted({steps[0], *pictures.common, steps[-1]})
    spread = min(count, len(likely))
    shown = [likely[round(index * (len(likely) - 1) / (spread - 1))] for index in range(spread)]
    if at not in shown and spread < count:
        shown.append(at)
    elif at not in shown:
        inner = range(1, count - 1) if count > 2 else range(count)
        shown[min(inner, key=lambda one: abs(shown[one] - at))] = at
    return tuple(sorted(shown))


def rows(prompts: tuple[int, ...], count: int, at: int, top: int) -> tuple[int, tuple[int, ...]]:
    """The `count` prompts in sight, and which of all is the first of them: `top`, moved no further than `at` needs."""
    here = prompts.index(at) if at in prompts else 0
    top = min(max(top, here - count + 1), here, max(0, len(prompts) - count))
    return top, prompts[top : top + count]


def inside(run: Path, name: str) -> Path:
    """The file `name` of the run; one that points out of it becomes a name that does not exist."""
    path = run / name
    return path if path.resolve().is_relative_to(run.resolve()) else run / "samples" / "outside-the-run"


def _nearest(known: tuple[int, ...], step: int) -> int:
    place = bisect_left(known, step)
    near = [one for one in (place - 1, place) if 0 <= one < len(known)]
    return min(near, key=lambda one: abs(known[one] - step), default=0)


def _inside(place: int, count: int) -> int:
    return max(0, min(place, count - 1))


def seeded(history: History) -> bool:
    """Whether a prompt has an index for each of several seeds: an index then is that of a prompt and a seed."""
    return len({one.prompt for one in history.samples}) < len(history.prompts)
