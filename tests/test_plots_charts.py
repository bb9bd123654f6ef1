"""The figures of single models: marks that can be told apart, none cut off."""

import pandas as pd
from matplotlib import pyplot as plt

from distill_lessons import plots


def test_no_mark_of_the_reliability_diagram_is_hidden_or_cut() -> None:
    table = pd.DataFrame({"confidence": [0.4, 1.0], "accuracy": [0.0, 1.0], "images": [1, 300]})
    plots.use_theme()
    ax = plots.reliability({"one": table, "another": table}, "Both at the same places")
    ax.figure.canvas.draw()
    filled, hollow = ax.collections
    assert len(filled.get_facecolor()) == 1
    assert len(hollow.get_facecolor()) == 0
    for marks in (filled, hollow):
        few, many = marks.get_sizes()
        assert many > 10 * few
        for (x, y), size in zip(marks.get_offsets(), marks.get_sizes(), strict=True):
            centre = ax.transData.transform((x, y))
            # The half-diagonal of a diamond, the widest mark here, in pixels.
            reach = size**0.5 / 2**0.5 * ax.figure.dpi / 72
            inside = ax.bbox.padded(-reach)
            assert inside.contains(*centre), (x, y)
    assert ax.get_legend().get_window_extent().x0 > ax.bbox.x1
    plt.close(ax.figure)
