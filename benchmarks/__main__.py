"""The command ``python -m benchmarks``."""

# The import stands inside: the processes of `growth` load this module anew, and need none of it.
if __name__ == "__main__":
    from benchmarks.cli import app
    from distill_lessons.course.terminal import start

    start(app)
