"""The command `reperform`: a thin layer. Exit status 0 success, 1 a negative verdict, 2 bad input."""

from __future__ import annotations

import sys
from typing import Final

import typer

from ..evidence.errors import ReperformError
from . import decide, dispute, docket, keys, node, pin, roster, selftest, verify
from .demo import command as demo
from .output import BAD_INPUT

# Packages that only some commands need, and the extra that brings them.
EXTRAS: Final = {"torch": "executor", "numpy": "executor", "safetensors": "executor", "tokenizers": "executor"}

app = typer.Typer(
    help="Prove what an AI model decided: run the decision again, elsewhere, and sign what comes out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(roster.app, name="roster")
app.command("pin")(pin.pin)
app.command("decide")(decide.decide)
app.command("dispute")(dispute.dispute)
app.add_typer(docket.app, name="docket")
app.add_typer(node.app, name="node")
app.command("verify")(verify.verify)
app.command("selftest")(selftest.selftest)
app.command("demo")(demo.demo)


def main() -> None:
    """Run one command and exit."""
    try:
        app()
    except ReperformError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this command needs {error.name}; install it with: pip install 'reperform[{extra}]'")


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
