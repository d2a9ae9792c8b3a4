"""How pages say times, sizes and addresses, and the import map that lets modules name each other."""

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

VENDORED_MODULES = {
    "@xterm/xterm": "vendor/xterm/xterm.mjs",
    "@xterm/addon-fit": "vendor/addon-fit/addon-fit.mjs",
    "@xterm/addon-search": "vendor/addon-search/addon-search.mjs",
    "@xterm/addon-unicode11": "vendor/addon-unicode11/addon-unicode11.mjs",
    "@xterm/addon-web-links": "vendor/addon-web-links/addon-web-links.mjs",
    "@xterm/addon-webgl": "vendor/addon-webgl/addon-webgl.mjs",
    "htmx.org": "vendor/htmx/htmx.esm.min.js",
}

NOW = 5
"""Seconds around a moment in which it is just "now"."""

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))


def _in_words(seconds: float) -> str:
    size, unit = next((size, unit) for limit, size, unit in _STEPS if seconds < limit)
    return f"{int(seconds // size)} {unit}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """A `<time>`: the relative time as its text, the exact one on hover. static/js/pages/times.js keeps it true."""
    if moment is None:
        return ""
    seconds = round((timezone.now() - moment).total_seconds())
    text = f"{_in_words(seconds)} ago" if seconds > 0 else f"in {_in_words(-seconds)}"
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.isoformat(),
        moment.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "now" if abs(seconds) < NOW else text,
    )


@register.filter
def span(seconds: float | None) -> str:
    """A duration in the two units that matter: `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


@register.filter
def size(count: int | None) -> str:
    """Bytes in binary units with three significant digits at most."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing of static/img/icons.svg. It only accompanies words, so it is hidden from screen readers."""
    address = static("img/icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>', address, name
    )


def _own_modules() -> dict[str, str]:
    root = Path(settings.BASE_DIR) / "static" / "js"
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.js"))
    return {f"porthole/{file}": f"js/{file}" for file in files}


@lru_cache(maxsize=1)
def _import_map() -> str:
    modules = VENDORED_MODULES | _own_modules()
    imports = {name: static(path) for name, path in modules.items()}
    # "<" could end the script element; nothing else in JSON can.
    return json.dumps({"imports": imports}, separators=(",", ":")).replace("<", "\\u003c")


@register.simple_tag
def import_map() -> SafeString:
    """The import map's JSON: every module of ours as `porthole/…`, and the third-party ones by their package's name."""
    return mark_safe(_import_map())  # noqa: S308 - addresses of static files only


@register.simple_tag
def preload(*names: str) -> SafeString:
    """Links that make the browser fetch modules at once, instead of one import after another."""
    paths = VENDORED_MODULES | _own_modules()
    return format_html_join("\n", '<link rel="modulepreload" href="{}">', ((static(paths[name]),) for name in names))


@register.filter
def or_dash(value: object) -> object:
    """A dash where there is nothing to show."""
    return "\N{EN DASH}" if value in (None, "", [], {}) else value
