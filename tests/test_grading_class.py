"""A class: its roster, points given by hand, counts of mistakes."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from labs import rows_of
from results import RIGHT, result, table

from distill_lessons.grading import (
    feedback,
    points,
    roster,
    submissions,
    tables,
)
from distill_lessons.grading.points import Extra


def csv_file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_points_by_hand_stand_beside_the_others(tmp_path: Path) -> None:
    given = points.read(
        csv_file(
            tmp_path / "p.csv",
            "learner,exercise,points,comment\nanna,00.batch_of_one,-0.5,copied\n17,00,2,\n"
            "anna,02,5,another lesson\n",
        )
    )
    marked = [result("anna"), result("ben", id="17")]
    rows = rows_of(table(marked, tmp_path / "t.csv", given))
    assert [rows[n]["by hand"] for n in ("anna", "ben")] == ["-0.5", "2"]
    assert [rows[n]["total"] for n in ("anna", "ben")] == ["0.5", "3"]
    assert rows["anna"]["00.batch_of_one"] == "1"
    page = feedback.page(marked[:1], given)
    assert "−0.5 by hand: copied" in page
    assert "0.5 of 3 points" in page
    owners = [("anna", ""), ("zoe", "")]
    assert points.strangers(given, owners) == ["17"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learner,points\nanna,1\n", "has no column exercise"),
        ("learner,exercise,points\nanna,00.no_such,1\n", "line 2: '1' points for '00.no_such'"),
        ("learner,exercise,points\nanna,99,1\n", "line 2"),
        ("learner,exercise,points\nanna,00,many\n", "line 2: 'many' points"),
        ("learner,exercise,points\nanna,00,nan\n", "line 2"),
        ("learner,exercise,points\n,00,1\n", "line 2"),
        ("", "has no column learner, exercise, points"),
    ],
)
def test_points_for_nothing_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"--points ") as refused:
        points.read(csv_file(tmp_path / "p.csv", text))
    assert said in str(refused.value)


def test_statistics_by_exercise_and_by_mistake() -> None:
    marked = [result("anna"), result("anna", [RIGHT] * 3, id=""), result("ben"), result("cleo")]
    marked.append(replace(result("dan"), verdicts={}, failure="no room"))
    rows = list(csv.DictReader(tables.statistics(marked).splitlines()))
    counts = {(row["exercise"], row["what"]): (row["how many"], row["of"]) for row in rows}
    assert counts["00.batch_of_one", "correct"] == ("3", "3")  # of anna's two, the better
    assert counts["00.mean_difference", "not yet"] == ("2", "3")
    assert counts["00.mean_difference", "mistake: An index takes the first axis away."] == (
        "2",
        "3",
    )
    assert counts["00.does_it_hold", "not attempted"] == ("2", "3")


CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section
"Lovelace, Ada",12345,s1,ada,A
"O'Neil, Zoë",777,s2,zoe,A
"Smith, Ada",12,s3,ada2,A
"""
MOODLE = """Identifier,Full name,Email address,Grade
Participant 123,Ada Lovelace,al1@uni.example,
Participant 9,Ada Lovelace,al2@uni.example,
"""
PLAIN = "first;last\nAda;Lovelace\nZoë;O'Neil\n"


@pytest.mark.parametrize(
    ("text", "learner", "number", "row"),
    [
        (CANVAS, "lovelaceada", "12345", 0),
        (CANVAS, "lovelaceada", "", 0),
        (CANVAS, "zoe", "", 1),
        (CANVAS, "Zoe O'Neil", "", 1),
        (CANVAS, "somebody else", "12", 2),
        (CANVAS, "nobody", "999", None),
        (CANVAS, "A", "", None),  # all are in section A
        (MOODLE, "Ada Lovelace", "9", 1),
        (MOODLE, "Ada Lovelace", "", None),  # there are two
        (MOODLE, "al2", "", 1),
        (PLAIN, "Ada Lovelace", "", 0),
        (PLAIN, "lovelace-ada", "", 0),
        (PLAIN, "O'Neil Zoë", "", 1),
    ],
)
def test_who_it_is_on_the_roster(
    tmp_path: Path, text: str, learner: str, number: str, row: int | None
) -> None:
    people = roster.read(csv_file(tmp_path / "r.csv", text))
    assert people.find(submissions.Submission(learner, number)) == row


def test_the_roster_comes_back_with_points(tmp_path: Path) -> None:
    people = roster.read(csv_file(tmp_path / "r.csv", MOODLE))
    marked = [result("Ada Lovelace", id="123"), result("Ada Lovelace", [RIGHT] * 3, id="123")]
    marked.append(replace(result("Ada Lovelace", id="9"), verdicts={}, failure="no room"))
    text = roster.upload(people, marked, [Extra("123", "00", 0.5)])
    assert text.splitlines() == [
        "Identifier,Full name,Email address,Grade,Lesson 00",
        "Participant 123,Ada Lovelace,al1@uni.example,3.5,3.5",
        "Participant 9,Ada Lovelace,al2@uni.example,,",
    ]
    assert roster.absent(people, [marked[0].submission]) == ["Participant 9 Ada Lovelace"]


@pytest.mark.parametrize("text", ["", "name\n", "\n\n"])
def test_a_roster_without_anybody_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="lists nobody"):
        roster.read(csv_file(tmp_path / "r.csv", text))
