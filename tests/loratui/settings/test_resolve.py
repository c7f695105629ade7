"""Who wins, and who said so: default < preset < answers < --set, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.settings.answers import Answers
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError
from loratui.settings.resolve import resolve
from loratui.settings.shipped_presets import load_presets
from trainer.contract.settings.arithmetic import learning_rates
from trainer.contract.settings.config import BY_KEY, config_sha, flat


def test_each_layer_beats_the_one_below() -> None:
    answers = Answers("icon-3d", {"train.batch": 2}, {"train.batch": 7}, "a.toml")
    assert resolve(Answers("icon-3d")).config.train.rank == 8  # the preset over the default, 32
    found = resolve(answers, {"train.steps": 5})
    train = found.config.train
    assert (train.rank, train.batch, train.steps) == (8, 2, 5)
    assert [found.origins[key].layer for key in ("train.rank", "train.batch", "train.steps", "dataset.crop")] == [
        "preset",
        "answers",
        "--set",
        "default",
    ]
    assert found.origins["train.batch"].source == "a.toml:7"


def test_every_setting_has_an_origin() -> None:
    assert set(resolve(Answers("face")).origins) == set(BY_KEY)


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_sha(resolve(Answers("face"), {}, 6).config)
    for key in BY_KEY:
        monkeypatch.setenv(key.upper().replace(".", "_"), "1")
        monkeypatch.setenv(f"LORATUI_{key.upper().replace('.', '_')}", "1")
    assert config_sha(resolve(Answers("face"), {}, 6).config) == before


def test_steps_follow_the_number_of_pictures_unless_set() -> None:
    assert resolve(Answers("face"), {}, 6).config.train.steps == 720  # the seed: 6 x 120 = 720
    assert resolve(Answers("face/75x"), {}, 6).config.train.steps == 450
    assert resolve(Answers("face", {"train.steps": 9}), {}, 6).config.train.steps == 9
    origin = resolve(Answers("object"), {}, 5).origins["train.steps"]
    assert origin.layer == "preset" and origin.inferred and "100 x 5 pictures" in origin.source


def test_the_prompts_of_a_preset_speak_of_the_chosen_trigger() -> None:
    config = resolve(Answers("character-style", {"dataset.trigger": "huggy"})).config
    assert config.dataset.instance_prompt == "a huggy emoji"
    assert config.sample.prompts == ("a huggy emoji dressed as Yoda",)
    assert resolve(Answers("b-lora", {"dataset.trigger": "zed"})).config.dataset.instance_prompt == "a zed"


def test_the_rates_of_a_preset_belong_to_its_optimizer() -> None:
    assert learning_rates(resolve(Answers("face"), {"train.optimizer": "adamw"}).config) == (1e-4, 3e-4)
    assert learning_rates(resolve(Answers("cog", {"train.optimizer": "prodigy"})).config) == (1.0, 1.0)
    assert learning_rates(resolve(Answers("b-lora", {"train.optimizer": "adamw"})).config)[0] == 5e-5


def test_paths_are_made_absolute_and_home_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-sdxl").mkdir()
    values = {"dataset.path": "~/pics", "prior.path": "people", "model.base": "my-sdxl"}
    config = resolve(Answers("face", values)).config
    assert config.dataset.path == str(tmp_path / "pics")
    assert config.prior.path == str(tmp_path / "people")
    assert config.model.base == str(tmp_path / "my-sdxl")
    assert resolve(Answers("face", {"model.base": "sdxl-small"})).config.model.base == "sdxl-small"
    assert resolve(Answers("face", {"model.base": "owner/model"})).config.model.base == "owner/model"


def test_an_unknown_preset_is_a_sentence_with_its_line() -> None:
    with pytest.raises(AnswersError, match=r"a.toml:2: preset: .* did you mean 'face'"):
        resolve(Answers("fcae", {}, {"preset": 2}, "a.toml"))
    with pytest.raises(AnswersError, match="face/75x, face/100x"):
        preset("face/99x")


def test_every_preset_gives_a_valid_configuration_of_declared_settings() -> None:
    for one in load_presets():
        for name in (one.name, *(f"{one.name}/{variant.name}" for variant in one.variants)):
            config = resolve(Answers(name), {}, 7).config
            assert config.kind == one.kind and config.preset == name
            assert {value.key for value in preset(name).values} <= set(BY_KEY)


def test_every_value_of_a_preset_has_a_source() -> None:
    for one in load_presets():
        for value in (*one.values, *(value for variant in one.variants for value in variant.values)):
            assert len(value.source) > 10, (one.name, value.key)
        assert one.title and one.summary and one.data
        assert bool(one.steps_per_image) == bool(one.steps_source)


# trainer.md's table: preset -> optimizer, rates, batch, repeats, min-SNR, steps with 10 pictures, rank; the object has
# half of its rank, in every Linear, as tests/bench/reference.md has it
TABLE = {
    "character-style": ("prodigy", 1.0, 1.0, 4, 1, 5.0, 1000, 32),
    "character-style-adamw": ("adamw", 1e-4, 3e-4, 4, 1, 5.0, 1000, 32),
    "style": ("prodigy", 1.0, 1.0, 4, 2, 5.0, 1000, 32),
    "style/v5": ("prodigy", 1.0, 1.0, 2, 1, 0.0, 1000, 32),
    "style/v6": ("prodigy", 1.0, 1.0, 1, 1, 0.0, 1000, 32),
    "face": ("prodigy", 1.0, 1.0, 1, 1, 0.0, 1200, 32),
    "object": ("prodigy", 1.0, 1.0, 1, 1, 0.0, 1000, 16),
    "icon-3d": ("prodigy", 1.0, 1.0, 3, 1, 5.0, 1000, 8),
    "b-lora": ("adamw", 5e-5, 3e-4, 1, 1, 0.0, 1000, 64),
    "cog": ("adamw", 1e-4, 3e-4, 4, 1, 0.0, 1000, 32),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_presets_are_those_of_the_table(name: str) -> None:
    config = resolve(Answers(name), {}, 10).config
    train = config.train
    rates = learning_rates(config)
    sizes = (train.batch, config.dataset.repeats, train.min_snr_gamma, train.steps, train.rank)
    assert (train.optimizer, *rates, *sizes) == TABLE[name]
    assert (train.resolution, train.precision, train.seed, train.schedule) == (1024, "bf16", 0, "constant")
    tried = ("all-linear", "stratified") if name == "object" else ("attention", "independent")
    assert (train.targets, train.timesteps, train.ema) == (*tried, 0.1)


def test_the_rate_of_cog_is_that_of_its_constant_schedule_from_the_first_step() -> None:
    """cog-sdxl asks diffusers for "constant" with a warm-up, which that schedule does not read."""
    import torch
    from diffusers.optimization import get_scheduler

    from trainer.step.optimizer import rate_factor

    resolved = resolve(Answers("cog"), {}, 10)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    schedule = get_scheduler("constant", optimizer, num_warmup_steps=100, num_training_steps=1000)
    for step in range(1, 103):
        assert 1e-4 * rate_factor(resolved.config, step) == optimizer.param_groups[0]["lr"] == 1e-4
        optimizer.step()
        schedule.step()
    assert "never reads lr_warmup_steps" in str(resolved.origins["train.warmup_steps"])


def test_the_same_answers_give_the_same_configuration() -> None:
    answers = Answers("style", {"dataset.path": "x"})
    assert flat(resolve(answers, {}, 9).config) == flat(resolve(answers, {}, 9).config)
