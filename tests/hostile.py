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
import time; time.sleep(60)
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

MEMFD = """
import os, time
for name in "abc":  # 1.5 GiB that no process holds, in files below the limit of one
    fd = os.memfd_create(name)
    for _ in range(8):
        os.write(fd, b"x" * (64 << 20))
time.sleep(60)
"""
DISK = """
import os
for n in range(24):
    with open(f"{n}.bin", "wb") as file:
        for _ in range(16):
            file.write(b"x" * (4 << 20))
            file.flush()
import time; time.sleep(60)
"""
FIND = """
import importlib.util
from pathlib import Path
from distill_lessons.exercises import catalogue
found = []
def look(made):
    for part in (made.judged_by, made.solved_by):
        found.extend(value for value in vars(part or object.__new__(Path)).values() if value)
folder = Path(importlib.util.find_spec("distill_lessons.exercises").origin).parent / "bank"
for name in ("batch_of_one", "mean_difference", "does_it_hold"):
    try:
        look(catalogue.exercise("00", name))
    except TypeError:
        pass
    text = (folder / "lesson_00" / f"{name}.py").read_text()
    rest = text.partition("# ==== Judging")[2] + text.partition("# ==== Solution")[2]
    exec(rest.partition("\\n")[2], globals())
"""
FLOAT64 = "torch.set_default_dtype(torch.float64)"
SABOTEUR = """
import os, time
from pathlib import Path
own, spoiled, end = Path.cwd().parent, set(), time.monotonic() + 60
while time.monotonic() < end and len(spoiled) < 2:
    for box in own.parent.glob("distill-grading-*"):
        files = [f for f in box.glob("package/**/*.py") if f.is_file()]
        if box != own and len(files) > 100:
            for file in files:
                try:
                    os.chmod(file.parent, 0o700)
                    os.chmod(file, 0o600)
                    file.write_text("raise SystemExit")
                    spoiled.add(box)
                except OSError:
                    pass
    time.sleep(0.05)
"""
# The processes above it: without a fence the guard and the grader; behind it nobody else's.
KILLS = """
import os
above = os.getppid()
status = open(f"/proc/{above}/stat").read()
for pid in (int(status.rpartition(")")[2].split()[1]), above):
    if pid > 0:
        os.kill(pid, 9)
"""
KILLS_GROUP = "import os; os.kill(0, 9)"  # all processes that were started together
CHANGES_ITS_PACKAGE = """
import os
from pathlib import Path
file = next(Path("../package").resolve().rglob("compare.py"))
os.chmod(file, 0o600)
file.write_text(file.read_text() + "# mine")
"""
