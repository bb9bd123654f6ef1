"""All lessons of the course and their exercises: a lesson is its notebook and one entry here.

Tables in the README, in INSTRUCTORS and in the first lesson are written from these entries by
``python -m distill_lessons.course.tables``; tests and commands read them too.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from functools import cache

from distill_lessons.exercises import sections
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.lesson import Lesson
from distill_lessons.exercises.parts import Place, Solution

BANK = "distill_lessons.exercises.bank"


_ENTRIES = (
    Lesson(
        "00_start_here",
        title="start here",
        question="Is my machine ready, and how does a lesson work?",
        goal="run a lesson, read a claim with its interval, use `check`, `hint` and `solution`",
        names="batch_of_one mean_difference does_it_hold",
        seconds=(22, 13),
    ),
    Lesson(
        "01_teacher_training",
        title="teacher training",
        question="When is a teacher good enough?",
        goal="split data for three purposes, write a training step, accept a teacher by a rule "
        "fixed beforehand, say whether its confidence can be believed",
        names="loss_of_ignorance training_step accepted_epoch which_epoch batched_accuracy "
        "calibration_error",
        seconds=(34, 13),
    ),
    Lesson(
        "02_soft_targets",
        title="soft targets",
        question="What does a teacher know beyond the label?",
        goal="compute soft targets at a temperature without overflow, say what they hold beyond "
        "the label, and test that it is knowledge and not noise",
        names="odds_at_four temperature_softmax entropy_slope targets_from_file nearness doubt",
        seconds=(33, 13),
    ),
    Lesson(
        "03_kd_loss_derivation",
        title="derivation of the loss",
        question="Where does `alpha*CE + (1-alpha)*T^2*KL` come from?",
        goal="derive the distillation loss and its gradient, say where T² comes from, and "
        "recognise the classic mistakes by what they do to the numbers",
        names="mean_kl my_kd_loss soft_gradient alpha_to_set which_run timid_loss student_step",
        seconds=(49, 11),
    ),
    Lesson(
        "04_distillation_runs",
        title="distillation runs",
        question="When does distillation help, by how much, and when not?",
        goal="distil a student; compare with an equal-budget baseline and with the control that "
        "shows where a gain comes from; say when distillation does not help",
        names="index_step paired_interval shuffle_wrong missing_control class_bias "
        "chosen_on_test at_one",
        seconds=(64, 9),
    ),
    Lesson(
        "05_permutation_importance",
        title="permutation importance",
        question="Which inputs does a model rely on?",
        goal="measure permutation importance with its interval, and say what correlated inputs do "
        "to it",
        names="shuffle_group loss_rises row_together postal_code exact_importance importance_of_x1",
        seconds=(62, 9),
    ),
    Lesson(
        "06_shap_explanations",
        title="SHAP explanations",
        question="Who gets the credit for one prediction?",
        goal="compute Shapley values exactly where that is possible, and judge a fast method by "
        "its error and not by additivity",
        names="ann_gets shapley_share coalition_value traces_of_a_three it_adds_up build_net",
        seconds=(58, 14),
    ),
    Lesson(
        "07_student_and_teacher_explained",
        title="student and teacher explained",
        question="Does the student think like its teacher?",
        goal="compare the reasons of two models against controls, and refuse conclusions that a "
        "similarity alone does not carry",
        names="map_cosine this_image agreements which_student deletion_curve blind_audit "
        "like_the_digit",
        seconds=(56, 6),
    ),
    Lesson(
        "08_white_box_students",
        title="white-box students",
        question="Can the student be a white box?",
        goal="teach trees and linear models, find the control that takes a tree's gain away, and "
        "say what a readable student shows, and of whom",
        names="error_after leaf_probabilities be_the_tree linear_shap clinics_tree",
        core=False,
        seconds=(36, 9),
    ),
    Lesson(
        "09_features_and_relations",
        title="features and relations",
        question="Does it pay to copy features and relations?",
        goal="add a loss of a hidden layer to plain distillation, find the control that could take "
        "its gain away, name the cause and try the cheaper cure",
        names="relational_loss what_crossed dead_units hint_steps my_cka",
        core=False,
        seconds=(52, 16),
    ),
    Lesson(
        "10_many_teachers",
        title="many teachers",
        question="Do eight teachers teach better than one?",
        goal="mix the answers of many teachers, say what a gain of many comes from and when one "
        "teacher is as good, and use their disagreement with care",
        names="mean_targets entropy_mix one_each eight_hospitals gated_mix contradiction",
        core=False,
        seconds=(44, 6),
    ),
    Lesson(
        "11_image_models",
        title="image models",
        question="When does a small image net need a teacher?",
        goal="fit a large net to small images, keep a teacher's answers to every view, say where "
        "a teacher of images pays and where labels do as well, hold maps of attention against "
        "their controls",
        names="sides_left new_camera rows_of_views cam_of_maps shared_places",
        core=False,
        seconds=(63, 20),
    ),
    Lesson(
        "12_text_models",
        title="text models",
        question="Can a student that counts letters beat its transformer?",
        goal="build an encoder for text, teach students of another kind with it, say what crosses "
        "over with the soft targets and what does not, and read a student letter by letter",
        names="listening counted_mean archive_choice hidden_loss share_weights",
        core=False,
        seconds=(58, 11),
    ),
    Lesson(
        "13_detection",
        title="detection",
        question="Does a detector's student learn where, or what?",
        goal="score a detector with the class and without, distil it map by map, find the weight "
        "that takes a gain away, and choose a threshold by what errors cost",
        names="box_overlap cell_answer keep_best area_of_ranking box_term cheapest_threshold",
        core=False,
        seconds=(56, 12),
    ),
    Lesson(
        "14_robustness_and_privacy",
        title="robustness and privacy",
        question="Is the student more robust?",
        goal="attack a net in two ways, see when an attack has failed instead of the net having "
        "held, calibrate a model by one number, and measure what it tells of its training images",
        names="fgsm_step back_into_the_ball withstands best_temperature guess_members",
        core=False,
        seconds=(39, 7),
    ),
    Lesson(
        "15_deployment",
        title="from notebook to device",
        question="Is it the same student on the device?",
        goal="round a net to whole numbers and calibrate it, time it without being fooled, give "
        "its rival a fair chance, keep it up to date, and tell rounding from another seed",
        names="median_and_tail eight_bits clinics_camera keep_largest another_machine",
        core=False,
        seconds=(37, 6),
    ),
    Lesson(
        "16_reproducing_a_paper",
        title="reproducing a paper",
        question="Can you get a paper's numbers from the paper?",
        goal="set a paper's figures beside one's own with intervals, say which choices the paper "
        "leaves open and make them on validation images, and find out whose a contradiction is",
        names="whose_order reviewers_table paired_gap shared_bias",
        core=False,
        seconds=(48, 11),
    ),
    Lesson(
        "17_explanations_at_work",
        title="explanations at work",
        question="What are explanations good for?",
        goal="search for a counterfactual, fit a local surrogate, put an explanation to work, set "
        "it beside the cheap rival that explains nothing, and say which explanation could answer "
        "whom",
        names="best_change local_weights reasons_penalty equal_cost found_share lenders_letter",
        core=False,
        seconds=(42, 5),
    ),
    Lesson(
        "18_other_domains",
        title="other domains, other senses",
        question="Can a teacher teach what it cannot read?",
        goal="teach a student for images that its teacher reads badly, say when unlabelled images "
        "help there and when pairs are needed, and teach one sense by another",
        names="match_moments after_matching new_scanner sum_of_tones partners",
        core=False,
        seconds=(45, 6),
    ),
    Lesson(
        "19_debugging_lab",
        title="the debugging lab",
        question="Would you have noticed?",
        goal="find the fault in a program that runs and prints a good number, by a test that fails "
        "on it and passes on every right program, and tell which symptom points to which fault",
        names="test_loss test_asked test_distil test_accuracy test_importance no_gain",
        core=False,
        seconds=(34, 10),
    ),
    Lesson(
        "20_capstone",
        title="capstone",
        question="Which of your claims will survive?",
        goal="register claims before the runs, run them beside their controls, and write a model "
        "card whose every number comes from a recorded run",
        names="which_claim widest_student rounded_like false_card places",
        core=False,
        seconds=(28, 8),
    ),
)
LESSONS = {lesson.number: lesson for lesson in _ENTRIES}


def of_lesson(lesson: str) -> dict[str, Exercise]:
    """Return the exercises of a lesson by name, in the order in which the lesson has them.

    Args:
        lesson: two digits, one of `LESSONS`.
    """
    return {name: exercise(lesson, name) for name in LESSONS[lesson].exercises}


@cache
def exercise(lesson: str, name: str) -> Exercise:
    """Return one exercise with whatever of it this installation has.

    Args:
        lesson: two digits.
        name: the exercise, and its file in the lesson's folder.
    """
    module = importlib.import_module(f"{BANK}.lesson_{lesson}.{name}")
    solved_by = None
    if hasattr(module, name):
        code = sections.solution(inspect.getsource(module), name)
        others = (tuple(getattr(module, part, ())) for part in ("other_ways", "borrowed"))
        solved_by = Solution(getattr(module, name), code, *others)
    asked: Exercise = module.exercise
    judging = getattr(module, "judging", None)
    after = next((one for number, one in LESSONS.items() if number > lesson), None)
    place = Place(
        lambda: list(of_lesson(lesson).values()),
        f"{after.number}, {after.title}" if after else "",
    )
    return replace(
        asked, lesson=lesson, name=name, judged_by=judging, solved_by=solved_by, place=place
    )
