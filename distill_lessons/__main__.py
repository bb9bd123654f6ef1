"""``python -m distill_lessons`` is the same as ``distill-lessons``."""

from distill_lessons.course.cli import app

if __name__ == "__main__":
    app(prog_name="distill-lessons")
