"""Takes from this process, for good, all but what computing on files needs: no network, no writing, no processes.

A seccomp filter of Linux (seccomp(2)), which needs no privileges and works in containers. It is a list of the system
calls that are left: whatever is not on it fails with EPERM. Files open only for reading, threads start but processes
do not, and what was open stays open. What is left and matters: everything that this user may read can be read.
Standard library only, so that it can be the first that a process does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from ...evidence.errors import ReperformError

# Of each system call its number on x86_64 and on arm64, which lacks some; <asm/unistd.h>.
_ALLOWED: Final[dict[str, tuple[int, int | None]]] = {
    "access": (21, None),
    "arch_prctl": (158, None),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "dup": (32, 23),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "poll": (7, None),
    "ppoll": (271, 73),
    "prctl": (157, 167),
    "pread64": (17, 67),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "sigaltstack": (131, 132),
    "stat": (4, None),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "uname": (63, 160),
    "write": (1, 64),
    "writev": (20, 66),
}
# Allowed if of this argument none of these bits is set.
_WRITES: Final = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_IF_NONE: Final[dict[str, tuple[tuple[int, int | None], int, int]]] = {
    "open": ((2, None), 1, _WRITES),
    "openat": ((257, 56), 2, _WRITES),
    "prlimit64": ((302, 261), 0, 0xFFFFFFFF),  # 0 is this process
}
_CLONE: Final = (56, 220)
_CLONE_THREAD: Final = 0x10000
_CLONE3: Final = (435, 435)  # its flags stand in memory, which no filter sees; libc then tries clone
_SECCOMP: Final = (317, 277)
_IO_URING_SETUP: Final = 425
# AUDIT_ARCH of <linux/audit.h>: the calls of another, such as 32-bit code, have other numbers.
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# <linux/bpf_common.h>, <linux/seccomp.h>, <linux/prctl.h>
_LOAD, _EQUAL, _SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # in struct seccomp_data
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class ConfinementError(ReperformError):
    """A process that cannot be confined."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine() -> None:
    """Confine this process, all of its threads, and see that it holds. Raises ConfinementError."""
    if sys.platform != "linux" or sys.byteorder != "little" or platform.machine() not in _MACHINES:
        raise ConfinementError(
            f"a process without network cannot be had on {sys.platform} {platform.machine()}",
            advice="open the file on Linux (x86_64 or arm64), where seccomp takes the network from a process",
        )
    column, arch = _MACHINES[platform.machine()]
    code = _filter(column, arch)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // 8, code)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.syscall(_SECCOMP[column], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) != 0
    ):
        raise ConfinementError(
            f"the kernel gave no seccomp filter: {os.strerror(ctypes.get_errno())}",
            advice="use a kernel, or a container, that lets processes confine themselves (CONFIG_SECCOMP_FILTER)",
        )
    _verify(libc)


def _filter(column: int, arch: int) -> bytes:
    """The BPF program: struct sock_filter, 8 bytes each."""
    number = _instruction(_LOAD, _NUMBER)
    allow, refuse = _instruction(_RETURN, _ALLOW), _instruction(_RETURN, _ERRNO | errno.EPERM)
    code = [_instruction(_LOAD, _ARCH), _instruction(_EQUAL, arch, 1, 0), _instruction(_RETURN, _KILL), number]
    for numbers in _ALLOWED.values():
        if (call := numbers[column]) is not None:
            code += [_instruction(_EQUAL, call, 0, 1), allow]
    for numbers, argument, bits in _IF_NONE.values():
        if (call := numbers[column]) is not None:
            code += [_instruction(_EQUAL, call, 0, 4), *_tested(argument, bits), refuse, allow]
    code += [_instruction(_EQUAL, _CLONE[column], 0, 4), *_tested(0, _CLONE_THREAD), allow, refuse]
    code += [_instruction(_EQUAL, _CLONE3[column], 0, 1), _instruction(_RETURN, _ERRNO | errno.ENOSYS), refuse]
    return b"".join(code)


def _tested(argument: int, bits: int) -> list[bytes]:
    """Goes on with the next instruction if one of the bits is set in the argument, else with the one after it."""
    return [_instruction(_LOAD, _ARGUMENTS + 8 * argument), _instruction(_SET, bits, 0, 1)]


def _instruction(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, k)


def _verify(libc: ctypes.CDLL) -> None:
    """By trying. What a filter refuses, it refuses before the kernel looks whether it would work."""
    attempts: dict[str, Callable[[], object]] = {
        "open a file for writing": lambda: os.open(os.devnull, os.O_WRONLY),
        "become another program": lambda: os.execv(os.devnull, [os.devnull]),  # noqa: S606
        "start a process": _fork,
        "start an io_uring": lambda: _io_uring(libc),
        **{f"open a socket ({family.name})": partial(socket.socket, family) for family in _FAMILIES},
    }
    for what, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        except OSError as error:
            raise ConfinementError(f"the process was confined, and yet could try to {what}: {error}") from error
        raise ConfinementError(f"the process was confined, and yet could {what}", advice="report this")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _io_uring(libc: ctypes.CDLL) -> None:
    if libc.syscall(_IO_URING_SETUP, 1, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
