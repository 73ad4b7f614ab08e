"""The one error tree of reperform.

Everything that a user, a peer or a file can get wrong raises a subclass of
`ReperformError`: one line that names the cause, and, where there is one, the next step.
Anything else that escapes is a bug in reperform.
"""

from __future__ import annotations


class ReperformError(Exception):
    """A cause, and what to do next."""

    def __init__(self, cause: str, *, advice: str = "") -> None:
        super().__init__(f"{cause}; {advice}" if advice else cause)
        self.cause = cause
        self.advice = advice
