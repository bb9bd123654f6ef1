"""Helpers of the course *Distill Lessons*.

Submodules load on first use, so that ``import distill_lessons`` stays fast: nothing here imports
torch, shap or matplotlib.
"""

__version__ = "0.1.0"
