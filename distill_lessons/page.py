"""What a cell shows beside figures: boxes of HTML that read well in both themes and on web pages.

Words keep the colour that the page gives its text, or one mixed from it: a colour that stands out
on white is lost on black. Everything has a text for those who see no HTML. Knows nothing of what
the boxes say.
"""

from __future__ import annotations

import html
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, Literal

Tone = Literal["good", "bad", "nearly", "ask", "plain"]

# JupyterLab's own colours; the second is for pages that have no such theme.
HUES: dict[Tone, str] = {
    "good": "var(--jp-success-color1, #1b7837)",
    "bad": "var(--jp-error-color1, #b2182b)",
    "nearly": "var(--jp-warn-color1, #b35806)",
    "ask": "var(--jp-brand-color1, #2166ac)",
    "plain": "currentColor",
}

# JupyterLab takes keys before any button or slider in an output sees them: arrows move between
# cells, two D delete one. Only a listener on the window is asked earlier. Keys with Ctrl, and
# Shift+Enter, stay JupyterLab's.
KEYS = "distill-keys"
KEEP_KEYS = f"""<script>
if (!window.distillKeepsKeys) {{
  window.distillKeepsKeys = true;
  window.addEventListener("keydown", (event) => {{
    const command = event.ctrlKey || event.metaKey || (event.shiftKey && event.key === "Enter");
    if (!command && event.target.closest?.(".{KEYS}")) event.stopPropagation();
  }}, true);
}}
</script>"""


def box(tone: Tone, head: str, body: str = "") -> str:
    """Return a box with a coloured edge.

    Args:
        tone: one of `HUES`.
        head: a few words, shown in bold; they must say by themselves what the colour says.
        body: HTML, see `prose`.
    """
    hue = HUES[tone]
    return (
        f'<div style="border-left:4px solid {hue};padding:.3em .8em;margin:.4em 0">'
        f'<b style="color:color-mix(in srgb, {hue} 60%, currentColor)">{html.escape(head)}</b> '
        f"{body}</div>"
    )


def quiet(line: str) -> str:
    """Return one line of HTML in grey, for what should not draw the eye."""
    grey = "color:color-mix(in srgb, currentColor 70%, transparent)"
    return f'<div style="{grey};margin:.2em 0"><small>{line}</small></div>'


def panel(tone: Tone, head: str, lines: Sequence[tuple[str, str, str]]) -> str:
    """Return what should draw the eye: a tinted panel with a line for each thing that was found.

    Args:
        tone: one of `HUES`.
        head: a few words; they must say by themselves what the colour says.
        lines: for each the HTML of a sentence, a picture, and of the small print beside it.
    """
    hue = HUES[tone]
    parts = [
        f'<div style="font-size:1.1em;margin-top:.5em">{sentence}</div>'
        '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:.2em 1em">'
        f"{picture}<small>{small}</small></div>"
        for sentence, picture, small in lines
    ]
    return (
        f'<div style="border-left:6px solid {hue};padding:.6em 1em;margin:.8em 0;'
        f'background:color-mix(in srgb, {hue} 8%, transparent)">'
        f'<b style="color:color-mix(in srgb, {hue} 60%, currentColor)">{html.escape(head)}</b>'
        f"{''.join(parts)}</div>"
    )


def interval_bar(
    value: float,
    low: float,
    high: float,
    bounds: tuple[float | None, float | None],
    *,
    tone: Tone,
    words: str,
) -> str:
    """Return a small picture of an interval against its bounds, as SVG in the page's own colours.

    Bounds are dashed, zero is a thin line. There is no text in it: a page that drops pictures, as
    JupyterLab does until a notebook is trusted, would leave it behind among the words.

    Args:
        value: the estimate, as it is shown.
        low: lower end of its interval; NaN for none.
        high: upper end.
        bounds: what it has to lie above, and below; None where it need not.
        tone: of the interval, one of `HUES`.
        words: the same in words, for those who do not see it.
    """
    width, middle, edge = 300, 14, 26
    marks = [mark for mark in (value, low, high, *bounds) if mark is not None]
    marks = [mark for mark in marks if math.isfinite(mark)] or [0.0]
    reach = max(marks) - min(marks) or abs(marks[0]) or 1.0
    if min(map(abs, marks)) < reach:
        marks.append(0.0)  # near enough to be a measure of what is seen
    first, scale = min(marks), (width - 2 * edge) / ((max(marks) - min(marks)) or 1.0)

    def at(mark: float) -> float:
        return round(edge + (mark - first) * scale, 1)

    hue, (above, below) = HUES[tone], bounds
    left = 0 if above is None else at(above)
    right = width if below is None else at(below)
    parts = [
        f'<path d="M0 {middle}H{width}" stroke="currentColor" opacity=".35"/>',
        f'<rect x="{left}" y="3" width="{max(0, right - left)}" height="22" fill="{hue}" '
        'opacity=".15"/>',
    ]
    limits = [bound for bound in bounds if bound is not None]
    for mark in dict.fromkeys([*limits, *([0.0] if 0.0 in marks else [])]):
        dashes = ' stroke-dasharray="3 2"' if mark in limits else ' opacity=".5"'
        parts.append(f'<path d="M{at(mark)} 2V26" stroke="currentColor"{dashes}/>')
    if math.isfinite(low) and math.isfinite(high):
        ends = f"M{at(low)} {middle}H{max(at(high), at(low) + 1)}"
        parts.append(f'<path d="{ends}" stroke="{hue}" stroke-width="6"/>')
    if math.isfinite(value):
        parts.append(f'<circle cx="{at(value)}" cy="{middle}" r="5.5" fill="{hue}"/>')
    return (
        f'<svg role="img" aria-label="{html.escape(words)}" viewBox="0 0 {width} 28" '
        f'width="{width}" height="28" style="max-width:100%">'
        f"{''.join(parts)}</svg>"
    )


def prose(text: str) -> str:
    """Return text as HTML: escaped, with `code` and *emphasis* marked, line ends kept.

    >>> prose("`a < b` is *not* a*b")
    '<code>a &lt; b</code> is <em>not</em> a*b'
    """
    escaped = html.escape(text, quote=False).replace("\n", "<br>")
    return re.sub(r"`([^`]+)`|(?<!\w)\*(\w[^*`]*)\*(?!\w)", _marked, escaped)


def _marked(found: re.Match[str]) -> str:
    code, stressed = found.groups()
    return f"<code>{code}</code>" if code else f"<em>{stressed}</em>"


def say(text: object) -> None:
    """Print a line; what the stream's encoding lacks is written with backslashes."""
    try:
        print(text)
    except UnicodeEncodeError:  # a script on Windows whose output goes into a file
        encoding = sys.stdout.encoding
        print(str(text).encode(encoding, errors="backslashreplace").decode(encoding))


def show(markup: str, text: str, *, kind: str = "text/html") -> Any:
    """Show HTML in a notebook, and its text where there is no HTML or no notebook.

    Args:
        markup: what a notebook shows.
        text: the same for a terminal.
        kind: the MIME type of `markup`.

    Returns:
        A handle for `replace`; None in a plain script.
    """
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        say(text)  # a plain script
        return None
    return display({kind: markup, "text/plain": text}, raw=True, display_id=True)


def in_notebook() -> bool:
    """Return whether a kernel runs this, so that what is shown can be replaced."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def replace(handle: Any, markup: str, text: str) -> None:
    """Put other HTML into the place of what `show` showed; a handle of None is left alone."""
    if handle is not None:
        handle.update({"text/html": markup, "text/plain": text}, raw=True)
