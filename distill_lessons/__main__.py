"""``python -m distill_lessons`` is the same as ``distill-lessons``."""

from distill_lessons.course.cli import main

if __name__ == "__main__":
    main()
