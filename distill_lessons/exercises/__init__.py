"""Exercises of the lessons: an answer is checked, a hint given, a solution shown.

A lesson imports its own, ``from distill_lessons.exercises import lesson_03 as ex``, and then asks
``ex.mean_kl.check(mean_kl)``.
"""
