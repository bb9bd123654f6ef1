"""What becomes of a model's answers when the inputs are not as in training, or somebody asks why.

| module | what it holds |
|---|---|
| `corruptions` | mishaps: noise, a shift, a covered part |
| `attacks` | inputs changed on purpose: FGSM and PGD, with two losses |
| `stack` | many nets as one, so that all of them are attacked in one pass |
| `temperature` | one number that calibrates a model |
| `membership` | whether a model's losses tell on which images it was trained |
| `checks` | nothing: it refuses arguments that do not fit |
"""
