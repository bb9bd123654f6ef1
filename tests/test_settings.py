import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from distill_lessons import settings


def test_defaults_need_no_variable() -> None:
    config = settings.load({})
    assert (config.profile, config.dataset, config.device) == ("cpu", "digits", "cpu")
    assert (config.seed, config.strict, config.live) == (0, False, True)
    assert config.data_dir.name == "distill-lessons"


def test_every_variable_is_read() -> None:
    config = settings.load(
        {
            "DISTILL_PROFILE": "full",
            "DISTILL_DATASET": "mnist",
            "DISTILL_DATA": "~/somewhere",
            "DISTILL_DEVICE": "cpu",
            "DISTILL_SEED": "7",
            "DISTILL_STRICT": "1",
            "DISTILL_LIVE": "0",
            "DISTILL_CHECKS": "raise",
            "DISTILL_RECORD": "~/mine.json",
        }
    )
    assert config == settings.Settings(
        "full",
        "mnist",
        Path.home() / "somewhere",
        "cpu",
        seed=7,
        strict=True,
        live=False,
        checks="raise",
        record=Path.home() / "mine.json",
    )


def test_a_learners_record_is_kept_unless_it_is_switched_off() -> None:
    assert settings.load({"DISTILL_RECORD": "0"}).record is None
    usual = settings.load({}).record
    assert usual is not None
    assert usual.name == "progress.json"
    assert usual.is_absolute()


@pytest.mark.parametrize("name", ["PROFILE", "DATASET", "DATA", "DEVICE", "SEED", "RECORD"])
def test_an_empty_variable_counts_as_unset(name: str) -> None:
    assert settings.load({f"DISTILL_{name}": "  "}) == settings.load({})


@pytest.mark.parametrize("variable", ["DISTILL_DATA", "DISTILL_RECORD", "DISTILL_DATASET"])
def test_the_home_of_nobody_is_refused_by_name(variable: str) -> None:
    folder = "folder:" if variable == "DISTILL_DATASET" else ""
    with pytest.raises(ValueError, match=f"{variable}='~no-such-user/x' names a home folder"):
        settings.load({variable: f"{folder}~no-such-user/x"})


def test_a_folder_is_a_data_set() -> None:
    config = settings.load({"DISTILL_DATASET": "folder:my pictures"})
    assert config.dataset == "folder:my pictures"


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("DISTILL_PROFILE", "fulll", "Did you mean 'full'? Use one of 'cpu', 'full'."),
        ("DISTILL_DATASET", "mnits", "Did you mean 'mnist'? Use one of 'digits', 'mnist'"),
        ("DISTILL_DATASET", "imagenet", "or folder:PATH for your own images"),
        ("DISTILL_DEVICE", "gpu", "Use 'auto', 'cpu', 'cuda' or 'mps'."),
        ("DISTILL_SEED", "-1", "must be a whole number from 0 to 2147483647."),
        ("DISTILL_SEED", "2147483648", "must be a whole number from 0 to 2147483647."),
        ("DISTILL_SEED", "1.5", "must be a whole number from 0 to 2147483647."),
        ("DISTILL_STRICT", "yes", "Use one of '0', '1'."),
        ("DISTILL_LIVE", "2", "Use one of '0', '1'."),
        ("DISTILL_CHECKS", "rise", "Did you mean 'raise'?"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_remedy(
    variable: str, value: str, remedy: str
) -> None:
    said = re.escape(f"{variable}={value!r}") + ".*" + re.escape(remedy)
    with pytest.raises(ValueError, match=said):
        settings.load({variable: value})


def test_a_missing_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="DISTILL_DEVICE='cuda:1'.*Unset DISTILL_DEVICE"):
        settings.load({"DISTILL_DEVICE": "cuda:1"})


@pytest.mark.parametrize(
    ("profile", "gpu", "device"),
    [("cpu", True, "cpu"), ("full", True, "cuda"), ("full", False, "cpu")],
)
def test_only_the_full_profile_takes_a_gpu_by_itself(
    monkeypatch: pytest.MonkeyPatch, profile: str, gpu: bool, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert settings.load({"DISTILL_PROFILE": profile}).device == device


def test_pick_is_decided_by_the_profile() -> None:
    assert settings.load({"DISTILL_PROFILE": "cpu"}).pick(1, 2) == 1
    assert settings.load({"DISTILL_PROFILE": "full", "DISTILL_DEVICE": "cpu"}).pick(1, 2) == 2


def test_the_full_profile_on_a_cpu_says_how_long_it_takes() -> None:
    slow = settings.load({"DISTILL_PROFILE": "full", "DISTILL_DEVICE": "cpu"})
    assert "takes an estimated 12 minutes. Unset DISTILL_PROFILE" in slow.describe(12)
    assert "minutes" not in settings.load({}).describe(12)


@pytest.mark.parametrize(
    ("env", "expected"), [({}, "-1"), ({"CUDA_VISIBLE_DEVICES": "2"}, "2")], ids=["usual", "asked"]
)
def test_a_lesson_on_the_cpu_does_not_see_the_gpus(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr("os.environ", {"OMP_NUM_THREADS": "1", **env})
    settings.begin()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_a_lesson_on_a_gpu_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("os.environ", {"OMP_NUM_THREADS": "1", "DISTILL_DEVICE": "cuda"})
    settings.begin()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (1.0, TypeError, "n=1.0 must be a whole number, such as 10."),
        (math.nan, TypeError, "n=nan must be a whole number"),
        ("3", TypeError, "n='3' must be a whole number"),
        (None, TypeError, "n=None must be a whole number"),
        (0, ValueError, "n=0 must be at least 1."),
    ],
)
def test_what_is_no_whole_number(value, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        settings.whole_number("n", value)


@pytest.mark.parametrize("value", ["0.5", None, [1.0], torch.ones(2), 10**400])
def test_what_is_no_number(value) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(f'x={value!r}')} must be a number, such as"):
        settings.number("x", value)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5)])
def test_numbers_of_other_libraries_are_taken(value) -> None:
    assert settings.number("x", value) == 0.5


def test_whole_numbers_of_numpy_are_taken() -> None:
    assert settings.whole_number("n", np.uint8(3)) == 3
    assert type(settings.whole_number("n", np.int64(3))) is int


def test_one_of_gives_no_hint_where_nothing_is_near() -> None:
    with pytest.raises(ValueError, match=r"^colour='xyz' is unknown\. Use one of 'red'\.$"):
        settings.one_of("colour", "xyz", ["red"])
