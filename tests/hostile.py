"""Cells that a hostile or careless learner hands in, as source."""

PATCH = """
import builtins, sys
from distill_lessons.exercises import compare, exercise
right = exercise.Verdict("correct", "")
for name in ("check", "judge", "compare", "expected"):
    setattr(exercise.Exercise, name, lambda self, *a, **k: right)
exercise.difference = compare.difference = lambda *a: None
torch.allclose = torch.equal = lambda *a, **k: True
from distill_lessons.exercises import catalogue, parts
for made in catalogue.of_lesson("00").values():
    object.__setattr__(made, "judged_by", parts.Judging(lambda *a: None))
    object.__setattr__(made, "solved_by", parts.Solution("a"))
"""
LIAR = """
class Yes:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __array__(self, *a, **k): raise KeyError("no array")
    def __call__(self, *a): return self
    def __float__(self): return 1.0
    shape = property(lambda self: 1 / 0)
class Word(str):
    __eq__ = lambda self, other: True
    __hash__ = str.__hash__
"""
FORGE = """
import json, os
lines = [b'{"name": "batch_of_one", "outputs": ' + b"[" * 5000 + b"]" * 5000 + b"}",
         b'{"name": "batch_of_one", "outputs": [[' + b"9" * 5000 + b'], [[1, [2]]]]}',
         b'{"name": "mean_difference", "outputs": [{"a": 1}, null]}',
         b'{"name": "mean_difference", "outputs": [["x", "y"], ["x", "y"]]}',
         b'{"name": "no_such", "outputs": [[1], [2]]}', b'{"name": ["x"], "says": {}}',
         b'{"cell": 99999}', b'{"cell": -7, "error": "forged"}', b'{"ask": "other"}',
         b'[1, 2]', b'null', b'\\xff\\xfe', b'"correct"', b'{"end": "no"}']
for fd in range(3, 30):
    try:
        os.write(fd, b"\\n" + b"\\n".join(lines) + b"\\n")
    except OSError:
        pass
json.dumps = lambda *a, **k: '{"correct": true}'
"""
NOISY = """
import sys
for i in range(10**5):
    print("x" * 99, file=sys.stderr)
"""
LINGER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # lingers-in-test"],
                 start_new_session=True)
"""
STUBBORN = """
import time
while True:
    try:
        time.sleep(0.01)
    except BaseException:
        pass
"""
TOUCH = """
m = __import__("mmap").mmap(-1, 3 << 29)  # shared memory is beyond what the allocator limits
for _ in range(24):
    m.write(b"x" * (64 << 20))
import time; time.sleep(3)
"""
WRITER = """
from pathlib import Path
Path("here.txt").write_text("x"); Path("../../beside.txt").write_text("x")
"""
SPOILER = """
from pathlib import Path
for file in Path({folder!r}).glob("*.ipynb"):
    file.write_text("spoiled")
"""
