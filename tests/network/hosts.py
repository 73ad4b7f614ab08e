"""Several hosts on one machine: network namespaces, each with a cable to one of them. Linux, iproute2, and root.

The addresses are private and no cable leaves these hosts, so nothing outside can be reached from them.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Hosts:
    """A host in the middle, and others that reach it alone."""

    middle: str
    others: tuple[str, ...]
    prefix: str

    def within(self, host: str) -> tuple[str, ...]:
        """What a command line begins with so that it runs on this host."""
        return ("ip", "netns", "exec", self._space(host))

    def address(self, host: str) -> str:
        """Where this host sees the one in the middle."""
        return f"10.77.{self.others.index(host)}.1"

    def cut(self, host: str) -> None:
        """Pull this host's cable."""
        self._cable(host, "down")

    def mend(self, host: str) -> None:
        """Put it back."""
        self._cable(host, "up")

    def _cable(self, host: str, state: str) -> None:
        _ip("-n", self._space(self.middle), "link", "set", f"to{self.others.index(host)}", state)

    def _space(self, host: str) -> str:
        number = len(self.others) if host == self.middle else self.others.index(host)
        return f"{self.prefix}{number}"

    def lay(self) -> None:
        """Make the hosts and their cables."""
        for host in (self.middle, *self.others):
            _ip("netns", "add", self._space(host))
            _ip("-n", self._space(host), "link", "set", "lo", "up")
        for number, host in enumerate(self.others):
            middle, other = self._space(self.middle), self._space(host)
            _ip("-n", middle, "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", other)
            _ip("-n", middle, "address", "add", f"10.77.{number}.1/30", "dev", f"to{number}")
            _ip("-n", other, "address", "add", f"10.77.{number}.2/30", "dev", "eth0")
            _ip("-n", middle, "link", "set", f"to{number}", "up")
            _ip("-n", other, "link", "set", "eth0", "up")

    def remove(self) -> None:
        """Take everything away again, as far as it was made."""
        for host in (self.middle, *self.others):
            subprocess.run(["ip", "netns", "delete", self._space(host)], capture_output=True, check=False)  # noqa: S607


@contextmanager
def hosts(middle: str, others: Sequence[str]) -> Iterator[Hosts]:
    """Hosts that exist until the block ends. Raises RuntimeError where this machine does not allow them."""
    made = Hosts(middle, tuple(others), f"reperform-{secrets.token_hex(3)}-")
    try:
        made.lay()
        yield made
    finally:
        made.remove()


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError as error:
        raise RuntimeError("there is no `ip` here; install it with `apt-get install -y iproute2`") from error
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
