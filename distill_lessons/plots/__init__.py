"""Figures of one look.

Plot functions take results, draw on Axes and return them; the title is a sentence. `show` puts the
figure into the notebook with its caption, both visible and as the picture's alternative text.
Nothing here knows about models or training.
"""

from distill_lessons.plots.arrivals import settling, waterfall
from distill_lessons.plots.attributions import (
    attribution_maps,
    attribution_panel,
    error_against_cost,
)
from distill_lessons.plots.boxes import reasons, scenes
from distill_lessons.plots.charts import (
    curves,
    dendrogram,
    heatmap,
    learning_curves,
    reliability,
)
from distill_lessons.plots.comparison import fidelity, lanes, orders
from distill_lessons.plots.derivation import pushes, scaling, simplex
from distill_lessons.plots.effects import forest, strips
from distill_lessons.plots.explanations import importance_map, importance_maps
from distill_lessons.plots.opening import loss_and_question, two_answers
from distill_lessons.plots.phrases import letters, type_a_phrase
from distill_lessons.plots.pictures import images, probability_bars
from distill_lessons.plots.soft_targets import beside_others, open_question
from distill_lessons.plots.structure import weights
from distill_lessons.plots.teaching import bands, class_bars, course_map, pairs, temperature_bars
from distill_lessons.plots.theme import ROLES, Role, show, use_theme
from distill_lessons.plots.trees import reading

__all__ = [
    "ROLES",
    "Role",
    "attribution_maps",
    "attribution_panel",
    "bands",
    "beside_others",
    "class_bars",
    "course_map",
    "curves",
    "dendrogram",
    "error_against_cost",
    "fidelity",
    "forest",
    "heatmap",
    "images",
    "importance_map",
    "importance_maps",
    "lanes",
    "learning_curves",
    "letters",
    "loss_and_question",
    "open_question",
    "orders",
    "pairs",
    "probability_bars",
    "pushes",
    "reading",
    "reasons",
    "reliability",
    "scaling",
    "scenes",
    "settling",
    "show",
    "simplex",
    "strips",
    "temperature_bars",
    "two_answers",
    "type_a_phrase",
    "use_theme",
    "waterfall",
    "weights",
]
