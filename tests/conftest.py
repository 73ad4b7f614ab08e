"""How hypothesis runs here: no test asserts a time, and a CI run can be repeated exactly."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("reperform", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("reperform")
