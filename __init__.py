"""Proof of what an AI model decided: verify an evidence pack against the root keys that you trust.

    import reperform
    roots = reperform.RootKeys.from_json(open("roots.json").read())
    verified = reperform.verify(open("my.pack", "rb").read(), roots)   # raises VerificationError
    print(verified.verdict)

Nothing else is needed: no torch, no network, no clock.
"""

from .evidence.errors import ReperformError
from .evidence.roots import RootKeys
from .evidence.tally import Verdict
from .evidence.verify import VerificationError, Verified, verify

__all__ = ["ReperformError", "RootKeys", "Verdict", "VerificationError", "Verified", "verify"]
