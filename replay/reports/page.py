"""Pages: one HTML file each, with nothing from elsewhere and no script."""

from __future__ import annotations

from typing import Any


def page(template: str, **values: Any) -> str:
    """Fill *template*; recorded text is hostile, and is escaped wherever it stands."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("replay.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
