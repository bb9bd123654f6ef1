"""What a cell shows beside figures: boxes of HTML that read well in both themes and on web pages.

Words keep the colour that the page gives its text, or one mixed from it: a colour that stands out
on white is lost on black. Everything has a text for those who see no HTML. Knows nothing of what
the boxes say.
"""

from __future__ import annotations

import html
import re
import sys
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
