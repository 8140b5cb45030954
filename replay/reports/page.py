"""Pages: one HTML file each, with nothing from elsewhere and no script."""

from __future__ import annotations

from typing import Any

from replay.visible import visible


def page(template: str, **values: Any) -> str:
    """Fill *template*; recorded text is hostile, and is escaped wherever it stands."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("replay.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def _seen(value: Any) -> Any:
    """Spell out what a browser would not show, or show elsewhere than it stands."""
    return value if hasattr(value, "__html__") else visible(str(value))
