"""`reperform selftest`: does this machine compute portable-1 as it is defined?"""

from __future__ import annotations

from .output import AsJson, tell


def selftest(as_json: AsJson = False) -> None:
    """Run the known-answer vectors of portable-1 on this machine. A node does so before its first vote.

    Example: reperform selftest
    """
    from ..executor.selftest import selftest as run

    report = run()
    tell(
        as_json,
        {"passed": report.vectors, "answers": str(report.answers), "kernels": report.kernels},
        f"portable-1: all {report.vectors} known answers agree",
        f"kernels: {report.kernels}",
        f"digest of the answers, the same on every machine: {report.answers}",
    )
