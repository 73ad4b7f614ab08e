"""A report as one page of HTML: complete in itself, without scripts, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .account import Account
from .plots import WIDTH, bars, strips
from .table import conclusion, moment

FOLDER: Final = Path(__file__).parent


def page(account: Account) -> str:
    """The page. Whatever is a name or a text in a report is escaped."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    body = account.body()
    return environment.get_template("page.html").render(
        body=body,
        conclusion=conclusion(body).partition(": ")[2],
        bars=bars(account),
        strips=strips(account),
        width=WIDTH,
        style=Markup((FOLDER / "page.css").read_text()),  # noqa: S704  the package's own file
    )
