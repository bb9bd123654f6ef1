"""Buttons and fields to answer with, and what is left of them where nobody can click.

A saved notebook holds no widgets, only a reference to them: reopened, JupyterLab would say "model
not found". So whatever must last is shown as HTML in an output of its own, and what cannot be used
any more is hidden. Knows nothing of questions and answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from distill_lessons import page

ANSWERS = "distill-answers"  # the class of a box that still works

# For the HTML above the buttons: a widget whose kernel has gone is hidden, and the hint to run the
# cell is shown in its place.
RERUN = f"""<style>
.{ANSWERS}.jupyter-widgets-disconnected,
.jp-OutputArea-output.jupyter-widgets:not(:has(*)) {{ display: none; }}
.jp-OutputArea:has(.{ANSWERS}:not(.jupyter-widgets-disconnected)) .distill-rerun {{
  display: none;
}}
</style>{page.KEEP_KEYS}<small class="distill-rerun">No buttons below? Run this cell.</small>"""


def buttons(
    options: Iterable[str],
    chosen: str | None,
    note: Callable[[str], None],
    *,
    in_a_row: bool = False,
) -> Any:
    """Return one button for each option; the chosen one bears a tick.

    Args:
        options: what may be chosen.
        chosen: what was chosen before, if anything.
        note: called with the option that was clicked.
        in_a_row: side by side, for options of a letter; else one below the other.
    """
    import ipywidgets as widgets

    by_option: dict[str, Any] = {}

    def mark(chosen: str | None) -> None:
        for option, button in by_option.items():
            button.description = f"✓ {option}" if option == chosen else option

    def clicked(option: str) -> None:
        mark(option)
        note(option)

    for option in options:
        by_option[option] = widgets.Button(
            layout=widgets.Layout(width="4em" if in_a_row else "auto")
        )
        by_option[option].on_click(lambda _, option=option: clicked(option))
    mark(chosen)
    box = widgets.HBox if in_a_row else widgets.VBox
    return _kept(box(list(by_option.values()), layout=widgets.Layout(width="fit-content")))


def stacked(parts: Iterable[Any]) -> Any:
    """Return buttons and fields below each other, as one widget for `show`."""
    import ipywidgets as widgets

    return _kept(widgets.VBox(list(parts)))


def one_by_one(label: str, clicked: Callable[[], str]) -> Any:
    """Return a button for what is shown piece by piece; it goes when there is nothing more.

    Args:
        label: of the button before the first click.
        clicked: called at each click; returns the next label, "" for none.
    """
    import ipywidgets as widgets

    button = widgets.Button(description=label, layout=widgets.Layout(width="auto"))

    def click(_: Any) -> None:
        button.description = clicked()
        if not button.description:
            button.layout.display = "none"

    button.on_click(click)
    return _kept(widgets.VBox([button], layout=widgets.Layout(width="fit-content")))


def number(label: str, value: float | None, note: Callable[[float | None], None]) -> Any:
    """Return a field for a number, which is noted with Enter or when the field is left.

    Args:
        label: what the field asks for, with the unit.
        value: what stood there before, if anything.
        note: called with the number, or None for an empty field; never with NaN or infinity.
    """
    import ipywidgets as widgets

    field = widgets.Text(
        value="" if value is None else f"{value:g}",
        description=label,
        placeholder="a number",
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="fit-content"),
    )
    message = widgets.HTML()

    def read(change: dict[str, Any]) -> None:
        try:
            given = to_number(change["new"]) if change["new"].strip() else None
        except ValueError:
            message.value = '<span role="alert">Write a number, such as 5 or -0.3.</span>'
            return
        message.value = ""
        note(given)

    field.observe(read, names="value")
    return _kept(widgets.VBox([field, message]))


def words(label: str, note: Callable[[str], None]) -> Any:
    """Return a field for a few words, which are noted with Enter or when the field is left.

    Args:
        label: what the field asks for.
        note: called with the words, unless there are none.
    """
    import ipywidgets as widgets

    field = widgets.Text(
        description=label,
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="32em"),
    )

    def read(change: dict[str, Any]) -> None:
        if change["new"].strip():
            note(change["new"].strip())

    field.observe(read, names="value")
    return _kept(widgets.VBox([field]))


def to_number(text: object) -> float:
    """Return a number as people write it: with a decimal comma, a minus sign, a per cent sign.

    Raises:
        ValueError: if it is none, or not a finite one.
    """
    value = float(str(text).replace(",", ".").replace("−", "-").strip(" %"))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def show(widget: Any) -> None:
    """Show buttons or a field, and nothing at all where there are no widgets."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": "", "text/html": ""}
    display(bundle, raw=True)


def _kept(box: Any) -> Any:
    for name in (ANSWERS, page.KEYS):
        box.add_class(name)
    return box
