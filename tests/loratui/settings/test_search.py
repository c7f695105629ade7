"""A person finds a setting by the word that they know, whatever program they come from."""

from __future__ import annotations

import pytest

from loratui.settings.search import SAID, found
from trainer.contract.settings.config import BY_KEY, SETTINGS

KNOWN = {
    "lr": "train.learning_rate",
    "dim": "train.rank",
    "network_dim": "train.rank",
    "WD": "train.weight_decay",
    "bs": "train.batch",
    "regularization": "prior.enabled",
    "textual inversion": "pivotal.enabled",
    "augmentation": "dataset.crop",
    "lycoris": "adapter.kind",
    "vram": "model.quantize",
    "cfg": "sample.guidance",
    "snr": "train.min_snr_gamma",
    "checkpoint": "model.base",
    "scheduler": "train.schedule",
    "learning-rate": "train.learning_rate",
    "Min SNR": "train.min_snr_gamma",
    "samples": "train.sample_every",
    "early stopping": "stop.patience",
    "oom": "model.quantize",
    "speed": "train.resolution",
}


@pytest.mark.parametrize(("said", "key"), KNOWN.items())
def test_the_word_that_people_say_leads_to_the_setting(said: str, key: str) -> None:
    assert found(said, SETTINGS, {})[0].key == key


def test_what_people_say_is_of_settings_that_there_are_and_finds_each_of_them() -> None:
    assert SAID.keys() <= BY_KEY.keys()
    for key, words in SAID.items():
        for word in words:
            assert BY_KEY[key] in found(word, SETTINGS, {})[:7], (key, word)


def test_hyphen_underscore_space_and_large_letters_are_one() -> None:
    for ways in (("min-SNR gamma", "min_snr_gamma", "Min snr  gamma"), ("warm-up", "warm up"), ("8-bit", "8 bit")):
        assert len({tuple(one.key for one in found(way, SETTINGS, {})) for way in ways}) == 1, ways
        assert found(ways[0], SETTINGS, {})
