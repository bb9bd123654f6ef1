"""Capstones: claims registered before the runs, records that are kept, cards that cite them.

Nothing is trained here: the worked example is rebuilt from its recorded runs, and small capstones
are made of numbers.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labs import invoke
from scipy import stats

from distill_lessons import data, files, models
from distill_lessons.capstone import card, contract, ledger, standing, unseen
from distill_lessons.capstone.contract import EXAMPLE, Registered
from distill_lessons.claims import ClaimFailed
from distill_lessons.course import results
from distill_lessons.data import Data, Split

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "20_capstone.ipynb"
CLAIMS = (
    Registered("gain", "The taught student reads more.", "labels", above=0.0, unit="points"),
    Registered("close", "It is close to its teacher.", "labels", above=-0.05, unit="points"),
    Registered("alike", "Its maps are alike.", "a stranger's teacher", above=0.5),
)
VALUES = {
    "gain": (0.03, 0.05, 0.04, 0.06),
    "close": (-0.08, 0.01, -0.02, 0.0),
    "alike": (0.1, 0.2, 0.1, 0.3),
}
TEXT = """# A student of mine

It has [](#weights) weights and was taught at T = [](#settings.T).

1. [](#gain.statement) [](#gain.verdict), [](#gain)
2. [](#close.statement) [](#close.verdict), at least [](#close.low)
3. [](#alike.statement) [](#alike.verdict), [](#alike) over [](#alike.n) splits

<!-- 17 things to do -->
The mean cosine is [](#alike.value) [after Hinton, 2015](https://arxiv.org/abs/1503.02531).
Registered [](#registered), seal [](#seal), data [](#data).
"""


def small(n: int = 12, channels: int = 1) -> Data:
    rng = torch.Generator().manual_seed(0)
    split = Split(torch.rand(n, channels, 4, 4, generator=rng), torch.arange(n) % 2)
    return Data("small", split, split, split, ("a", "b"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A capstone whose card is in order."""
    contract.register(tmp_path, CLAIMS, small(), T=4.0, draw="mine")
    for name, values in VALUES.items():
        unit = "" if name == "alike" else "points"
        ledger.record(tmp_path, name, values, unit=unit, per="splits")
    ledger.record(tmp_path, "weights", 85_002)
    card.write(TEXT, tmp_path)
    return tmp_path


def told(folder: Path) -> list[str]:
    return [str(problem) for problem in card.problems(folder / card.FILE)]


def changed(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


# --- the worked example --------------------------------------------------------------------------


def test_the_worked_example_is_in_order_and_one_of_its_claims_does_not_survive() -> None:
    assert told(EXAMPLE) == []
    assert card.count(EXAMPLE / card.FILE) >= 20
    assert standing.verdicts(EXAMPLE)["verdict"].to_dict() == {
        "close": "holds",
        "gain": "open",
        "reasons": "holds",
    }


def test_the_worked_example_is_rebuilt_from_its_recorded_runs() -> None:
    stored = (EXAMPLE / card.FILE).read_text(encoding="utf-8")
    blank = re.sub(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(#", "[](#", stored)
    assert blank != stored
    assert card.fill(blank, EXAMPLE) == stored
    for run in json.loads((EXAMPLE / ledger.FILE).read_text(encoding="utf-8"))["records"]:
        values, factor = np.array(run["values"]), 100 if run["unit"] else 1
        if len(values) == 1:
            continue
        ends = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        shown = card.fill(f"[](#{run['name']}.value) [](#{run['name']}.low)", EXAMPLE)
        value, low = (float(text) for text in re.findall(r"\[([-+]?[\d.]+)", shown))
        assert (value, low) == pytest.approx((values.mean() * factor, ends[0] * factor), abs=0.05)


def test_the_worked_example_is_the_one_that_the_notebook_makes() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (written,) = (text for text in sources if text.startswith("TEXT = "))
    assigned = ast.parse(written).body[0]
    assert isinstance(assigned, ast.Assign)
    text = ast.literal_eval(assigned.value)
    assert card.fill(text, EXAMPLE) == (EXAMPLE / card.FILE).read_text(encoding="utf-8")
    (registering,) = (source for source in sources if source.startswith("claims = ("))
    calls = [
        node
        for node in ast.walk(ast.parse(registering))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Registered"
    ]
    names: dict[str, Any] = {"Registered": Registered}
    theirs = [eval(compile(ast.Expression(call), "cell", "eval"), names) for call in calls]
    assert tuple(theirs) == contract.read(EXAMPLE).claims


def test_each_number_of_the_example_that_is_changed_is_found(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(EXAMPLE, tmp_path / "copy"))
    whole = (copy / card.FILE).read_text(encoding="utf-8")
    texts = [
        link.start(1) + digit.start()
        for link in re.finditer(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(#[\w.]+\)", whole)
        for digit in re.finditer(r"\d(?!\d| % interval|\.\d|,\d)", link[1])
    ]
    assert len(texts) > 30
    for at in texts[::3]:
        other = str((int(whole[at]) + 5) % 10)
        (copy / card.FILE).write_text(whole[:at] + other + whole[at + 1 :], encoding="utf-8")
        line = whole.count("\n", 0, at) + 1
        assert any(problem.line == line for problem in card.problems(copy / card.FILE)), whole[
            at - 20 : at + 5
        ]


# --- a card and its records ----------------------------------------------------------------------


def test_a_card_that_is_filled_is_in_order(folder: Path) -> None:
    assert told(folder) == []
    text = (folder / card.FILE).read_text(encoding="utf-8")
    assert "[85,002](#weights)" in text
    assert "T = [4](#settings.T)" in text
    assert "[open](#close.verdict)" in text
    assert "[fails](#alike.verdict)" in text
    assert card.fill(text, folder) == text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.replace("85,002", "85,003"), "line 3: 85,003 is not what is recorded as wei"),
        (lambda t: t.replace("[4](", "[5]("), "line 3: 5 is not what is recorded as settings.T (4"),
        (lambda t: t.replace("[holds]", "[fails]"), "line 5: 'fails' is not what is recorded as g"),
        (lambda t: t.replace("(#gain)", "(#gian)"), "no run recorded 'gian'. Did you mean 'gain'?"),
        (
            lambda t: t + "It is 97.5 % right.\n",
            "line 12: 97.5 is tied to no recorded run. Write",
        ),
        (lambda t: t + "T=5, 600steps\n", "line 12: 600 is tied to no recorded run."),
        (lambda t: t + "Better [by 12](other.md).\n", "line 12: 12 is tied to no recorded run."),
        (
            lambda t: t + "At [](#gain.high).\n",
            "line 12: [](#gain.high) is not filled in. Write",
        ),
        (lambda t: t + "[4 of 5](#gain.n)\n", "line 12: 5 is one number more than gain.n has."),
        (lambda t: t.replace("2. [", "2. ").replace("](#close.statement)", ""), ""),
        (
            lambda t: re.sub(r"2\. .*\n", "", t),
            "The registered claim 'close' is missing. Write it as it was registered",
        ),
        (
            lambda t: t.replace("It is close to its teacher.", "It is very close to its teacher."),
            "The registered claim 'close' is missing.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_a_remedy(
    folder: Path, change: Callable[[str], str], expected: str
) -> None:
    changed(folder / card.FILE, change)
    found = told(folder)
    assert bool(found) == bool(expected)
    assert any(expected in line for line in found) or not expected, found


def test_numbers_in_comments_lists_names_and_cited_sources_are_no_results(folder: Path) -> None:
    more = "\n## 2. An H100\n<!-- 99\n98 -->\n3. of the [2015 paper](https://x.org/1503)\n"
    changed(folder / card.FILE, lambda text: text + more)
    assert told(folder) == []
    changed(folder / card.FILE, lambda text: text + "-0,5 and 1e-3 and ٣\n")
    assert len(told(folder)) == 4


def test_a_minus_sign_and_fewer_decimals_are_the_same_number(folder: Path) -> None:
    low = ledger.newest(ledger.read(folder))["close"].effect.low * 100
    changed(
        folder / card.FILE,
        lambda text: text + f"[−{abs(low):.2f}](#close.low), [{low:.0f} points](#close.low)\n",
    )
    assert told(folder) == []


@given(st.floats(-1e4, 1e4), st.integers(0, 4))
def test_a_number_agrees_when_the_record_rounds_to_it(value: float, decimals: int) -> None:
    text = f"{value:.{decimals}f}"
    assert card._agrees(text, value)
    for step in (-1, 1):
        assert not card._agrees(f"{float(text) + step * 10**-decimals:.{decimals}f}", float(text))


def test_equal_repeats_leave_no_interval_and_are_cited_without(folder: Path) -> None:
    ledger.record(folder, "same", [0.5, 0.5, 0.5], unit="%")
    changed(folder / card.FILE, lambda text: card.fill(text + "[](#same)\n", folder))
    assert "no interval: all 3 repeats" in (folder / card.FILE).read_text(encoding="utf-8")
    assert told(folder) == []


# --- claims and the order of things --------------------------------------------------------------


def test_the_same_contract_may_be_registered_again_and_no_other(folder: Path) -> None:
    before = contract.read(folder)
    assert contract.register(folder, CLAIMS, small(), T=4.0, draw="mine") == before
    milder = (Registered("gain", CLAIMS[0].statement, "labels", above=-1.0, unit="points"),)
    for claims, found, settings, named in (
        (milder + CLAIMS[1:], small(), {"T": 4.0, "draw": "mine"}, "claim 'gain'"),
        (CLAIMS, small(14), {"T": 4.0, "draw": "mine"}, "data"),
        (CLAIMS, small(), {"T": 2.0, "draw": "mine"}, r"T \(4.0 then, 2.0 now\)"),
        (CLAIMS, small(), {"T": 4.0}, r"draw \(mine then, None now\)"),
    ):
        with pytest.raises(ValueError, match=f"other {named}.*begin in a new folder"):
            contract.register(folder, claims, found, **settings)
    assert contract.read(folder) == before


def test_a_bound_that_is_changed_in_the_file_is_found(folder: Path) -> None:
    changed(folder / contract.FILE, lambda text: text.replace('"above": 0.5', '"above": 0.0'))
    assert any("claims.json was changed after it was registered" in line for line in told(folder))


@pytest.mark.parametrize("change", ["a value", "a time", "removed", "exchanged"])
def test_a_record_that_is_changed_is_found(folder: Path, change: str) -> None:
    content = json.loads((folder / ledger.FILE).read_text(encoding="utf-8"))
    rows = content["records"]
    if change == "a value":
        rows[0]["values"][0] = 0.9
    elif change == "a time":
        rows[2]["time"] = "2030-01-01T00:00:00+00:00"
    elif change == "removed":
        del rows[1]
    else:
        rows[0], rows[1] = rows[1], rows[0]
    (folder / ledger.FILE).write_text(json.dumps(content), encoding="utf-8")
    assert any("records.json: the record of" in line for line in told(folder))


def test_a_run_from_before_the_claims_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record(tmp_path, "gain", VALUES["gain"], unit="points", per="splits")
    contract.register(tmp_path, CLAIMS, small(), T=4.0, draw="mine")
    for name in ("close", "alike"):
        ledger.record(tmp_path, name, VALUES[name], unit="" if name == "alike" else "points")
    ledger.record(tmp_path, "weights", 85_002)
    card.write(TEXT, tmp_path)
    (found,) = told(tmp_path)
    assert "'gain' was recorded before any claims were registered" in found
    assert found.endswith("Run it again, or leave its numbers out.")
    # Run again under the claims, under the same name, it counts.
    ledger.record(tmp_path, "gain", VALUES["gain"], unit="points", per="splits")
    assert told(tmp_path) == []


def test_a_clock_that_was_put_back_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "now", lambda: "2020-01-01T00:00:00+00:00")
    ledger.record(folder, "early", 3)
    changed(folder / card.FILE, lambda text: text + "[3](#early)\n")
    (found,) = told(folder)
    assert found.startswith("line 12: 'early' was recorded before the claims were registered")


def test_a_run_under_other_claims_is_named(folder: Path) -> None:
    (folder / contract.FILE).unlink()
    contract.register(folder, CLAIMS, small(), T=4.0, draw="yours")
    card.write(TEXT, folder)
    assert sum("was recorded under other claims" in line for line in told(folder)) == 4


def test_a_claim_that_was_never_run_is_named(tmp_path: Path) -> None:
    contract.register(tmp_path, CLAIMS, small())
    (tmp_path / card.FILE).write_text("# Nothing\n", encoding="utf-8")
    assert [line for line in told(tmp_path) if "was never run" in line] == told(tmp_path)
    assert len(told(tmp_path)) == 3
    with pytest.raises(ValueError, match="'gain' is registered and was never run"):
        ledger.claim_all(tmp_path)


def test_a_name_counts_once(folder: Path) -> None:
    before = ledger.read(folder)
    ledger.record(folder, "gain", VALUES["gain"], unit="points", per="splits")
    assert ledger.read(folder) == before
    with pytest.raises(ValueError, match="'gain' is recorded already, as .* under another name"):
        ledger.record(folder, "gain", (0.5, 0.6), unit="points", per="splits")
    assert ledger.read(folder) == before


def test_claims_are_made_from_their_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILL_STRICT", "0")
    ledger.claim_all(folder)
    said = capsys.readouterr().out
    assert [said.count(words) for words in ("does not hold here", "cannot tell here")] == [1, 1]
    assert "+4.5 points" in said
    monkeypatch.setenv("DISTILL_STRICT", "1")
    with pytest.raises(ClaimFailed):
        ledger.claim_all(folder)


def test_a_write_that_fails_leaves_the_older_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    for attempt in (
        lambda: ledger.record(folder, "more", 1.0),
        lambda: card.write(TEXT + "more\n", folder),
        lambda: contract.register(folder / "new", CLAIMS, small()),
    ):
        with pytest.raises(OSError, match="No space left"):
            attempt()
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == kept
    assert list((folder / "new").iterdir()) == []


@pytest.mark.parametrize("wide", [60, 256])
def test_a_student_has_as_many_units_as_a_hundredth_of_the_weights_allows(wide: int) -> None:
    shape, weights = (1, 8, 8), models.count_parameters
    teacher = models.mlp(shape, 10, (wide, wide))
    units = contract.most_units(teacher, shape, 10)
    fits, over = (weights(models.mlp(shape, 10, (n,))) for n in (units, units + 1))
    assert 100 * fits <= weights(teacher) or units == 1
    assert 100 * over > weights(teacher)


# --- bad arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs above= or below=: it could not fail"),
        ({"above": float("nan")}, "above=nan; give a finite number"),
        ({"above": 0, "control": " "}, "control=' '; write a sentence"),
        ({"above": 0, "statement": ""}, "statement=''; write a sentence"),
        ({"above": 0, "name": "My gain"}, "name='My gain' must be a word"),
        ({"above": 0, "name": "seal"}, "name='seal' means something else"),
        ({"above": 0, "unit": "point"}, "Did you mean 'points'?"),
    ],
)
def test_what_is_no_claim_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Registered(**{"name": "gain", "statement": "It gains.", "control": "labels"} | arguments)


def test_a_contract_has_three_claims_of_different_names(tmp_path: Path) -> None:
    for claims in (CLAIMS[:2], (*CLAIMS, CLAIMS[0]), (CLAIMS[0],) * 3, ()):
        with pytest.raises(ValueError, match="a contract has three claims with names of their own"):
            contract.register(tmp_path, claims, small())
    with pytest.raises(ValueError, match="steps=.* must be a number or a word"):
        contract.register(tmp_path, CLAIMS, small(), steps=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="found"):
        contract.register(tmp_path, CLAIMS, "digits")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "unit", "message"),
    [
        ("gain", (0.1, 0.2), "", "registered with unit='points' and needs an interval"),
        ("gain", 0.1, "points", "needs an interval; got unit='points' and 1 values"),
        ("more", (0.1, float("inf")), "", "give finite numbers"),
        ("more", (), "", "give finite numbers"),
        ("more", 1.0, "metres", "unit='metres' is unknown"),
        ("no name", 1.0, "", "must be a word"),
    ],
)
def test_what_is_no_record_is_refused(
    folder: Path, name: str, values: Any, unit: str, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ledger.record(folder, name, values, unit=unit)


def test_files_that_are_not_whole_are_refused_by_name(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no claims are registered. Register three"):
        contract.read(folder / "elsewhere")
    with pytest.raises(ValueError, match=r"line 2: \[\]\(#weihgts\): no run recorded 'weihgts'"):
        card.fill("\n[](#weihgts)", folder)
    for name, text in ((ledger.FILE, '{"records": [{"name": 1}]}'), (contract.FILE, "{}")):
        before = (folder / name).read_bytes()
        (folder / name).write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"{name} holds no .* restore the file"):
            card.problems(folder / card.FILE)
        (folder / name).write_bytes(before)
    (folder / card.FILE).write_bytes(b"\xff\xfe card")
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        card.problems(folder / card.FILE)


# --- images that nobody has seen -----------------------------------------------------------------


def test_a_name_draws_the_same_images_always_and_other_names_others() -> None:
    digits = data.load("digits")
    before = digits.train.x.clone()
    ann, again, ben = (unseen.drawn(digits, name) for name in ("Ann Lee", " ann  lee", "Ben"))
    assert torch.equal(ann.train.x, again.train.x)
    assert not torch.equal(ann.train.x, ben.train.x)
    assert contract.hash_of(ann) == contract.hash_of(again) != contract.hash_of(ben)
    assert torch.equal(digits.train.x, before)
    assert torch.equal(ann.test.y, digits.test.y)
    assert 0 <= float(ann.train.x.min()) <= float(ann.train.x.max()) <= 1
    assert not torch.equal(ann.train.x, digits.train.x)


def test_what_is_drawn_is_the_same_for_all_images_and_leaves_them_readable() -> None:
    digits = data.load("digits")
    for name in ("a", "b", "c", "d"):
        found = unseen.drawn(digits, name)
        near = torch.cdist(found.test.x.flatten(1), found.train.x.flatten(1)).argmin(1)
        right = (found.train.y[near] == found.test.y).float().mean()
        assert right > 0.85, name  # the nearest training image still has the label


def test_colour_keeps_its_channels_and_what_is_no_image_is_refused() -> None:
    assert unseen.drawn(small(channels=3), "Ann").image_shape == (3, 4, 4)
    split = Split(torch.rand(4, 3, 4, 6), torch.arange(4) % 2)
    wide = Data("wide", split, split, split, ("a", "b"))
    assert {unseen.drawn(wide, name).image_shape for name in "abcdefgh"} == {(3, 4, 6)}
    with pytest.raises(ValueError, match="name is empty; write yours"):
        unseen.drawn(small(), "  ")
    with pytest.raises(TypeError, match="name"):
        unseen.drawn(small(), 7)  # type: ignore[arg-type]
    table = Split(torch.rand(4, 3), torch.arange(4) % 2)
    with pytest.raises(ValueError, match="not \\(N, C, H, W\\) images"):
        unseen.drawn(Data("table", table, table, table, ("a", "b")), "Ann")


# --- the commands --------------------------------------------------------------------------------


def test_check_report_says_what_holds_and_ends_with_0(folder: Path) -> None:
    found = invoke("check-report", folder / card.FILE)
    assert found.exit_code == 0, found.output
    assert "problems: 0." in found.output
    assert "Registered claims that survive: 1 of 3." in found.output
    assert "holds: gain, +4.5 points" in found.output


def test_check_report_names_what_is_wrong_and_ends_with_1(folder: Path) -> None:
    changed(folder / card.FILE, lambda text: text.replace("85,002", "85"))
    found = invoke("check-report", folder / card.FILE)
    assert found.exit_code == 1
    assert "line 3: 85 is not what is recorded as weights (85,002). Write [85,002](#weights)" in (
        found.output
    )


def test_check_report_fills_a_card_where_asked(folder: Path) -> None:
    (folder / card.FILE).write_text(TEXT, encoding="utf-8")
    assert invoke("check-report", folder / card.FILE).exit_code == 1
    assert (folder / card.FILE).read_text(encoding="utf-8") == TEXT
    assert invoke("check-report", folder / card.FILE, "--fill").exit_code == 0
    assert told(folder) == []


def test_check_report_compares_the_seal_that_was_handed_in(folder: Path) -> None:
    seal = contract.read(folder).seal
    assert invoke("check-report", folder / card.FILE, "--seal", seal).exit_code == 0
    found = invoke("check-report", folder / card.FILE, "--seal", "0" * 16)
    assert found.exit_code == 1
    assert "these are other claims" in found.output


def test_check_report_refuses_what_is_not_there(tmp_path: Path) -> None:
    found = invoke("check-report", tmp_path / card.FILE)
    assert found.exit_code == 2
    assert "no claims are registered" in found.output
    contract.register(tmp_path, CLAIMS, small())
    found = invoke("check-report", tmp_path / card.FILE)
    assert found.exit_code == 2
    assert card.FILE in found.output


def test_check_report_counts_where_claims_hold_on_fresh_seeds(folder: Path) -> None:
    def fresh(name: str, gain: float | None) -> Path:
        numbers = [results.Number(CLAIMS[0].statement, gain, gain, gain, 4)]
        numbers += [results.Number(one.statement, 1.0, 0.9, 1.1, 4) for one in CLAIMS[1:]]
        words = dict.fromkeys(
            ("code", "package", "data", "profile", "device", "threads", "versions", "machine",
             "command", "failure"), "x",
        )  # fmt: skip
        made = results.Record(
            lesson="mine.ipynb",
            dataset="digits",
            seed=1,
            seconds=1.0,
            claims=tuple(numbers),
            **words,
        )
        results.write(folder / name, [made])
        return folder / name

    paths = [fresh("one.json", 0.02), fresh("two.json", -0.02), fresh("three.json", None)]
    options = [part for path in paths for part in ("--fresh", path)]
    found = invoke("check-report", folder / card.FILE, *options)
    assert found.exit_code == 0, found.output
    assert "Fresh runs: gain holds in 1 of 3." in found.output
    assert "Fresh runs: close holds in 3 of 3." in found.output
    results.write(folder / "none.json", [])
    found = invoke("check-report", folder / card.FILE, "--fresh", folder / "none.json")
    assert found.exit_code == 2
    assert "no run claims 'gain'" in found.output


def test_the_leaderboard_counts_survivors_and_gives_no_place_to_a_card_out_of_order(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    two = Path(shutil.copytree(folder, tmp_path_factory.mktemp("class") / "two"))
    shutil.rmtree(two)
    contract.register(two, CLAIMS, small(), T=4.0, draw="mine")
    for name, values in (VALUES | {"close": (0.01, 0.02, 0.01)}).items():
        ledger.record(two, name, values, unit="" if name == "alike" else "points")
    ledger.record(two, "weights", 7)
    card.write(TEXT, two)
    forged = Path(shutil.copytree(two, two.with_name("forged")))
    changed(forged / contract.FILE, lambda text: text.replace("0.5", "-0.5"))
    equal = Path(shutil.copytree(folder, two.with_name("equal")))
    board = standing.leaderboard([forged, folder, equal, two, two.with_name("nobody")])
    assert [(place, one.folder.name) for place, one in board] == [
        (1, "two"),
        (2, folder.name),
        (2, "equal"),
        (None, "forged"),
        (None, "nobody"),
    ]
    found = invoke("leaderboard", folder, two)
    assert found.exit_code == 0
    assert found.output.index("1. ") < found.output.index("two: claims that survive: 2 of 3.")
    assert "fails: Its maps are alike." in found.output
    assert "needed above 0.5" in found.output
    found = invoke("leaderboard", folder, forged)
    assert found.exit_code == 1
    assert "claims.json was changed after it was registered" in found.output
