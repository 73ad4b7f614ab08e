"""Many decisions run again, in batches: in this process, or on all machines of one organisation."""

import os

# Ray reads these when it is imported, which nothing outside this package does. The second makes a pool of this machine
# listen on loopback alone, on Linux too; the last keeps Ray from starting a cluster of its own where one was lost.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
