"""The command `reperform`: a thin layer. Exit status 0 success, 1 a negative verdict, 2 bad input (see output.py)."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final, NoReturn

import typer

from ..consensus.audit.lead import NotYetError
from ..evidence.errors import ReperformError
from . import decide, dispute, docket, keys, log, node, pin, replay, roster, selftest, vault, verify
from .audit import command as audit
from .demo import command as demo
from .output import BAD_INPUT, DEFECT, UNFINISHED, plain
from .watch import StillOpenError

# Packages that only some commands need, and the extra that brings them.
EXTRAS: Final = {
    **dict.fromkeys(("torch", "numpy", "safetensors", "tokenizers"), "executor"),
    **dict.fromkeys(
        ("sqlalchemy", "alembic", "psycopg", "fastapi", "starlette", "uvicorn", "prometheus_client"), "server"
    ),
    **dict.fromkeys(("cronsim", "jinja2"), "audit"),
    "httpx": "client",
    "obstore": "s3",
    "ray": "pool",
}

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
app.add_typer(vault.app, name="vault")
app.add_typer(dispute.app, name="dispute")
app.add_typer(docket.app, name="docket")
app.add_typer(node.app, name="node")
app.add_typer(log.app, name="log")
app.add_typer(audit.app, name="audit")
app.command("replay")(replay.replay)
app.command("verify")(verify.verify)
app.command("selftest")(selftest.selftest)
app.command("demo")(demo.demo)


def main() -> None:
    """Run one command and exit. Whatever goes wrong, status 1 is left to verdicts."""
    try:
        app()
        sys.stdout.flush()
    except (StillOpenError, NotYetError) as error:
        _fail(UNFINISHED, str(error))
    except ReperformError as error:
        _fail(BAD_INPUT, str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(BAD_INPUT, f"this command needs {error.name}; install reperform with its extra [{extra}]")
    except OSError as error:
        _fail(BAD_INPUT, f"{error.filename or 'the output'}: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001  # a traceback would exit with 1, which means a verdict
        traceback.print_exc()
        _fail(DEFECT, f"a defect in reperform ({type(error).__name__}); please report the lines above")


def _fail(status: int, message: str) -> NoReturn:
    print(f"error: {plain(' '.join(message.split()))}", file=sys.stderr)
    sys.stderr.flush()
    # Python's own exit would flush a stdout that may be what failed, and change the status.
    os._exit(status)


if __name__ == "__main__":
    main()
