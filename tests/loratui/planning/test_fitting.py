"""What makes a run fit: enough, nothing that is not needed, the cheapest in result first; said when it is in vain."""

from __future__ import annotations

import itertools
import math

import pytest

from loratui.planning.fitting import Proposal, changes, grown, level_of, propose, set_words, verdict
from loratui.planning.hardware import Machine, MemoryHolder
from loratui.planning.lines import fitting_lines
from loratui.planning.memory_steps import MEMORY_STEPS, changed
from loratui.planning.smaller import checkpointing
from loratui.settings.answers import Answers, parse_set
from loratui.settings.resolve import resolve
from loratui.settings.shipped_presets import load_presets
from trainer.contract.plan.estimate import corrected, estimate
from trainer.contract.plan.levels import NARROW, with_level
from trainer.contract.run.changes import changes_between, effect_of
from trainer.contract.settings.config import SDXL_VAE, TrainConfig, nested

GB = 1_000_000_000
CONFIGS = {
    "the default": {},
    "without checkpointing": {"train.gradient_checkpointing": False, "train.batch": 6},
    "in fp32 with AdamW": {"train.precision": "fp32", "train.optimizer": "adamw", "model.vae_precision": "fp32"},
    "large": {"train.rank": 128, "train.alpha": 64.0, "train.targets": "all-linear", "train.resolution": 1280},
    "with class pictures": {"prior.enabled": True, "prior.batch": 16, "train.batch": 3},
    "with a text encoder LoRA": {"pivotal.enabled": False, "text_encoder_lora.enabled": True},
    "the small model": {"model.base": "sdxl-small", "train.resolution": 64, "train.batch": 8},
}


def config(own: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate(nested(dict(own)))


def need(one: TrainConfig, factor: float = 1.0) -> int:
    return corrected(estimate(one, 5), factor).memory_total


def room(bytes_: int) -> int:
    """The memory in which so many bytes fit plainly, and not one more."""
    return math.ceil(bytes_ * (1 + NARROW))


@pytest.mark.parametrize("factor", [0.8, 1.5])
@pytest.mark.parametrize("case", CONFIGS)
def test_what_is_proposed_fits_and_every_change_is_needed(case: str, factor: float) -> None:
    start = config(CONFIGS[case])
    most, least = need(start, factor), propose(start, 5, 0, factor=factor, eight_bit=True).total
    assert least < most
    for available in (round(least + (most - least) * part) for part in (0.0, 0.1, 0.35, 0.7, 0.99)):
        found = propose(start, 5, available, factor=factor, eight_bit=True)
        assert found.fits and found.changes
        assert need(changed(start, found.settings), factor) == found.total <= available
        plain = int(available / (1 + NARROW))
        enough = plain if found.total <= plain else available
        assert ("narrowly" in found.words) is (enough == available)
        assert sum(one.saves for one in found.changes) == most - found.total
        for one in found.changes:
            without = {key: value for key, value in found.settings.items() if key not in one.settings}
            assert need(changed(start, without), factor) > enough, one.words
            assert one.cost and one.source


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("case", CONFIGS)
def test_a_proposal_leaves_what_a_plan_calls_plain_and_less_only_where_nothing_does(case: str, eight_bit: bool) -> None:
    start = config(CONFIGS[case])
    most, least = need(start), propose(start, 5, 0, eight_bit=eight_bit).total
    for available in (room(round(least + (most - least) * part)) for part in (0.0, 0.2, 0.6, 0.95)):
        found = propose(start, 5, available, eight_bit=eight_bit)
        machine = Machine("cuda", "A GPU", available, available)
        assert found.fits and found.words == verdict(found.total, machine).words and "narrowly" not in found.words
    narrow = propose(start, 5, least, eight_bit=eight_bit)
    assert narrow.fits and narrow.words == "fits narrowly, with 0 B to spare; nothing found leaves more"
    assert narrow.words in "\n".join(fitting_lines(narrow))


def order(found: Proposal) -> list[int]:
    costs = [step.cost for step in MEMORY_STEPS]
    return [costs.index(one.cost) for one in found.changes]


def test_what_costs_least_comes_first() -> None:
    start = config(CONFIGS["without checkpointing"])
    (first,) = changes(start, 5, 20 * GB)
    assert first.settings == {"train.gradient_checkpointing": "blocks"}
    batch_one = changed(start, {"train.batch": 1})
    (again,) = changes(batch_one, 5, room(need(batch_one) - 1))
    assert again.settings == {"train.gradient_checkpointing": "norms"}
    for available in range(7, 20):
        found = order(propose(start, 5, available * GB, eight_bit=True))
        assert found == sorted(found)
    # the LoRA's size is touched only when nothing else is left
    assert "train.rank" not in propose(start, 5, 11 * GB).settings


def test_the_batch_shrinks_by_what_divides_it_and_keeps_its_product() -> None:
    for batch, accumulation in ((6, 1), (4, 3), (7, 1), (256, 4)):
        sizes = {"train.batch": batch, "train.accumulation": accumulation, "train.gradient_checkpointing": True}
        start = config({**sizes, "model.vae_precision": "training"})  # so that a step needs more than encoding
        found = propose(start, 5, room(need(start) - 1)).settings
        assert found["train.batch"] < batch
        assert found["train.batch"] * found["train.accumulation"] == batch * accumulation


def test_alpha_keeps_its_proportion_to_the_rank() -> None:
    start = config({"train.rank": 128, "train.alpha": 64.0, "train.batch": 1, "prodigy.slice_p": 11})
    found = propose(start, 5, room(need(start) - 2 * GB), eight_bit=False).settings
    assert found["train.alpha"] / found["train.rank"] == 0.5


def test_it_is_said_when_nothing_is_enough() -> None:
    found = propose(config({}), 5, 2 * GB)
    assert not found.fits and found.total > 2 * GB and found.changes
    least = changed(config({}), found.settings)
    again = propose(least, 5, 2 * GB)
    assert not again.fits and not again.changes


def test_sample_pictures_make_room_before_the_training_changes() -> None:
    """1.6 GB for one picture, 3.2 where the VAE is in fp32: in tiles a quarter, and the VAE itself beside it."""
    for own, vae in (({}, 0.24 * GB), ({"model.base": "owner/another-sdxl"}, 0.34 * GB)):
        start = config({"train.batch": 1, **own})
        first, *others = changes(start, 5, room(need(start) - 1))
        assert first.settings == {"sample.tiles": True} and not others and first.saves > 0.6 * GB
        pictures = [one for one in estimate(changed(start, first.settings), 5).memory if one.name == "samples"]
        assert sum(one.bytes for one in pictures) < 1.5 * vae


OF_SAMPLES = {"sample.tiles", "sample.width", "sample.height", "sample.count"}
GIVEN_UP = {"train.rank", "train.ema", "train.resolution", "train.targets", "model.quantize", "pivotal.enabled"}
GRID = {
    "train.resolution": (512, 1024),
    "train.rank": (8, 32),
    "train.targets": ("attention", "all-linear"),
    "sample.width": (0, 1024, 1536),
    "pivotal.enabled": (True, False),
}


def test_nothing_of_the_training_is_given_up_for_pictures() -> None:
    """Without any it would not fit either; and they are off only where tiles and a smaller size are in vain."""
    seen = off = 0
    for values in itertools.product(*GRID.values()):
        own = dict(zip(GRID, values, strict=True))
        start = config(own | {"sample.height": own["sample.width"], "train.batch": 1})
        for card, eight_bit in itertools.product((6, 8), (True, False)):
            found = propose(start, 5, card << 30, eight_bit=eight_bit)
            enough = int((card << 30) / (1 + NARROW)) if "narrowly" not in found.words else card << 30
            for key in found.settings.keys() & GIVEN_UP if found.fits else ():
                rest = {one: value for one, value in found.settings.items() if one != key}
                assert need(changed(start, rest | {"sample.count": 0})) > enough, (values, card, key)
                seen += 1
            if found.settings.get("sample.count") == 0 and found.fits:
                others = {key: one for key, one in found.settings.items() if key not in OF_SAMPLES}
                kept = others | {"sample.tiles": True, "sample.width": 0, "sample.height": 0}
                assert need(changed(start, kept)) > enough, (values, card)
                off += 1
    assert seen > 50 and off > 10


def test_pictures_are_tiled_then_smaller_then_none_before_anything_else() -> None:
    own = {"train.batch": 1, "train.gradient_checkpointing": "blocks", "train.resolution": 512, "sample.width": 2048}
    start = config(own | {"sample.height": 1536, "model.vae_precision": "fp32"})
    names = [one.name for one in MEMORY_STEPS]
    assert names[:4] == ["tiles", "smaller samples", "no samples", "half VAE"]
    down = {one.name: next(one.down(start)) for one in MEMORY_STEPS[:3]}
    assert down["smaller samples"] == {"sample.width": 0, "sample.height": 0}
    needs = [need(start), *(need(changed(start, one)) for one in down.values())]
    assert needs == sorted(needs, reverse=True)
    for less in needs[1:]:
        found = propose(start, 5, room(less), eight_bit=True).settings
        assert found.keys() <= OF_SAMPLES, found
    without = config(own | {"sample.count": 0})  # nothing is drawn: nothing to say of pictures
    assert not any(list(one.down(without)) for one in MEMORY_STEPS[:3])
    portrait = config({"train.resolution": 1024, "sample.width": 832, "sample.height": 1216})
    assert list(MEMORY_STEPS[1].down(portrait)) == [{"sample.height": 0}]  # what is not larger stays


def test_a_vae_in_fp32_gives_way_to_the_one_that_bears_half_precision() -> None:
    """After the sample pictures themselves, for the sake of class pictures, which are drawn before the first step."""
    own = {"model.base": "owner/another-sdxl", "train.batch": 1, "dataset.class_word": "dog", "prior.enabled": True}
    own |= {"sample.count": 0, "prior.batch": 1, "train.gradient_checkpointing": "blocks", "train.resolution": 1024}
    start = config(own | {"pivotal.enabled": False, "train.targets": "attention", "train.rank": 4})
    assert propose(start, 5, room(need(start) - 1)).settings == {"model.vae": SDXL_VAE}
    small = config({"model.base": "sdxl-small", "train.resolution": 64, "sample.tiles": True})
    assert "model.vae" not in propose(small, 5, 0).settings  # it has latents of its own


def test_what_is_not_computed_as_one_node_makes_whole_blocks_again_or_nothing() -> None:
    kinds = [{"adapter.kind": kind} for kind in ("lokr", "loha", "oft")] + [{"adapter.start": "pissa"}]
    for own in ({"train.dora": True}, {"train.dropout": 0.1}, {"adapter.ranks": ["to_q=4"]}, *kinds):
        start = config({"train.gradient_checkpointing": "off", "train.batch": 1, **own})
        assert not any(list(checkpointing(what)(start)) for what in ("norms", "feed-forward"))
        (first,) = changes(start, 5, room(need(start) - 1))
        assert first.settings == {"train.gradient_checkpointing": "blocks"}


def test_more_memory_is_good_for_less_that_is_made_again() -> None:
    start = config({"train.batch": 1, "train.gradient_checkpointing": "blocks"})
    all_kept, norms = (
        need(config({"train.batch": 1, "train.gradient_checkpointing": one})) for one in ("off", "norms")
    )
    for available, what in ((2 * all_kept, "off"), (all_kept, "norms"), (norms, "feed-forward")):
        found = grown(start, 5, available)
        assert found is not None and found.settings == {"train.gradient_checkpointing": what}
        assert found.total < available and found.saved > 0.15
        assert grown(changed(start, found.settings), 5, available) is None  # nothing more is gained
    assert grown(start, 5, need(start)) is None
    for card in (16, 24):  # issue 12: they fit without, and are told so
        found = grown(start, 5, card << 30)
        assert found is not None and found.saved == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize("card", [8, 12, 16, 24])
@pytest.mark.parametrize("name", sorted(one.name for one in load_presets() if one.name != "demo"))
def test_every_preset_fits_a_card_of_8_12_16_and_24_gb(name: str, card: int) -> None:
    """And what changes the training comes last: never on 12 GB and more."""
    start = resolve(Answers(name, {})).config
    found = propose(start, 30, card << 30, eight_bit=True)
    assert found.fits, [one.words for one in found.changes]
    assert not found.settings.keys() & {"train.rank", "train.resolution", "train.targets", "pivotal.enabled"}
    if card >= 12:
        moved = changes_between(start, changed(start, found.settings))
        assert effect_of([one for one in moved if one.key != "model.vae"]) != "training"
    assert "narrowly" not in found.words


@pytest.mark.parametrize(
    ("card", "batch", "level"), [(8, 1, "blocks"), (12, 1, "feed-forward"), (16, 1, "norms"), (24, 4, "feed-forward")]
)
def test_what_is_made_again_is_what_a_card_bears_and_no_more(card: int, batch: int, level: str) -> None:
    start, size = config({"train.batch": batch}), card << 30
    found = level_of(start, 5, Machine("cuda", "A GPU", size, size))
    assert found == level
    if level != "norms":  # the next faster one would not fit
        faster = {"blocks": "feed-forward", "feed-forward": "norms"}[level]
        assert need(changed(start, {"train.gradient_checkpointing": faster})) * (1 + NARROW) > size
    assert (need(with_level(start, found)) < size) is (card > 8)
    # others hold so much of it now that nothing fits: judged is what there is without them
    assert level_of(start, 5, Machine("cuda", "A GPU", 80 * GB, GB)) == "norms"
    # one that was chosen stays
    assert level_of(with_level(start, "off"), 5, Machine("cuda", "A GPU", size, size)) == "off"


def test_the_average_goes_before_the_rank() -> None:
    own = {"prodigy.slice_p": 11, "model.vae_precision": "training", "sample.tiles": True, "train.batch": 1}
    start = config({**own, "train.rank": 128})
    assert propose(start, 5, room(need(start) - GB // 4), eight_bit=False).settings == {"train.ema": 0.0}


def test_nothing_is_proposed_where_it_fits() -> None:
    assert changes(config({}), 5, 80 * GB) == ()


def test_8_bit_is_proposed_only_where_it_can_be_had() -> None:
    own = {"train.optimizer": "adamw", "train.batch": 1, "train.rank": 64, "sample.tiles": True}
    own |= {"model.vae_precision": "training"}
    start = config(own)
    assert propose(start, 5, room(need(start) - 1), eight_bit=True).settings == {"train.optimizer": "adamw-8bit"}
    assert "train.optimizer" not in propose(start, 5, room(need(start) - 1), eight_bit=False).settings


def test_the_base_is_quantized_before_the_lora_is_made_smaller() -> None:
    """And only where it can be had, and not under a DoRA, which is refused over it."""
    start = config({"train.batch": 1, "sample.tiles": True, "prodigy.slice_p": 11, "model.vae_precision": "training"})
    for less, how in ((2.0, "int8"), (3.0, "nf4")):
        found = propose(start, 5, room(need(start) - round(less * GB)), eight_bit=True)
        assert found.fits and found.settings == {"model.quantize": how}
    without = propose(start, 5, room(need(start) - 2 * GB), eight_bit=False)
    assert "train.rank" in without.settings
    dora = changed(start, {"train.dora": True})
    assert "model.quantize" not in propose(dora, 5, room(need(dora) - 2 * GB), eight_bit=True).settings


@pytest.mark.parametrize("case", CONFIGS)
def test_what_a_package_would_spare_is_said_and_not_proposed(case: str) -> None:
    """Beside what can run here, with the command that gets it: it is what is proposed where the package is there."""
    start = config(CONFIGS[case])
    most, least = need(start), propose(start, 5, 0, eight_bit=True).total
    needed, said = {"model.quantize", "train.optimizer"}, 0
    for available in (room(round(least + (most - least) * part)) for part in (0.0, 0.1, 0.3, 0.6, 0.95)):
        here, there = (propose(start, 5, available, eight_bit=one) for one in (False, True))
        assert there.with_bits is None and not here.settings.keys() & needed
        words = "\n".join(fitting_lines(here))
        if here.settings == there.settings:
            assert here.with_bits is None and "bitsandbytes" not in words
            continue
        said += 1
        assert here.with_bits == there and there.settings.keys() & needed
        assert "pip install 'loratui[8bit]'" in words and set_words(there.settings) in words
        assert words.index(set_words(there.settings)) > words.index("pip install")
    assert said


def test_the_words_to_paste_are_read_as_the_same_settings() -> None:
    start = config(CONFIGS["large"] | {"train.gradient_checkpointing": False, "train.batch": 4})
    found = propose(start, 5, 7 * GB)
    options = set_words(found.settings).split(" --set ")
    read = dict(parse_set(one.removeprefix("--set ")) for one in options)
    assert changed(start, read) == changed(start, found.settings) != start


@pytest.mark.parametrize(
    ("total", "free", "said", "fits"),
    [
        (24, 20, "fits with 10 GB to spare", True),
        (24, 10, "fits narrowly, with 0 B to spare", True),
        (24, 8, "fits only if nothing else runs on the GPU: blender holds 6 GB", False),
        (9, 9, "does not fit: 1 GB too much", False),
    ],
)
def test_the_verdict_is_in_words(total: int, free: int, said: str, fits: bool) -> None:
    machine = Machine("cuda", "A GPU", total * GB, free * GB, (MemoryHolder(1, "blender", 6 * GB),))
    found = verdict(10 * GB, machine)
    assert (found.words, found.fits) == (said, fits)


def test_samples_that_do_not_fit_are_told_apart_from_training_that_does_not() -> None:
    """The trainer leaves out pictures for which there is no memory, and goes on."""
    machine = Machine("cuda", "A GPU", 9 * GB, 9 * GB)
    assert verdict(10 * GB, machine, 2 * GB).words == "the training fits, its samples do not: 1 GB too much for them"
    assert verdict(10 * GB, machine, GB // 2).words == "does not fit: 1 GB too much"


def test_a_hostile_process_name_is_shown_harmless() -> None:
    machine = Machine(
        "cuda", "A GPU", 24 * GB, 8 * GB, (MemoryHolder(1, "\x1b]52;c;aGk=\x07[@click=app.quit()]x", GB),)
    )
    assert "\x1b" not in verdict(10 * GB, machine).words and "\x07" not in verdict(10 * GB, machine).words
