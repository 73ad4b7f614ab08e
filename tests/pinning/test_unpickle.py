"""What stands in a pickle runs only where it was asked for, and there without network, files or processes."""

from __future__ import annotations

import json
import pickle
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.rules import Threshold
from reperform.evidence.values import Record
from reperform.executor.pinning import unpickle
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.recognise import Said
from reperform.executor.pinning.tabular.notes import Note
from sklearn.linear_model import LogisticRegression

confinable = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="only Linux on x86_64 and arm64 confines a process here",
)
LINES: Final = 20_000


class Runs:
    """Unpickled, it is what `code` gives."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return eval, (self.code,)


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def connected(port: int) -> str:
    """Code that gives 1 where it can connect, 0 where that is not permitted."""
    lines = [
        "import socket, torch",
        "try:",
        f"    socket.create_connection(('127.0.0.1', {port})).close(); got = 1.0",
        "except PermissionError:",
        "    got = 0.0",
    ]
    return f"(lambda space: (exec({chr(10).join(lines)!r}, space), space['torch'].tensor([space['got']]))[1])({{}})"


ATTEMPTS: Final = """
import ctypes, json, os, socket, subprocess, sys, threading
port, path, confined = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "confined"
begun, results = threading.Event(), {}
before = open(path + ".before", "w")

def tried(what, attempt):
    try:
        attempt()
        results[what] = "done"
    except PermissionError:
        results[what] = "not permitted"

def elsewhere():
    begun.wait()
    tried("connect in another thread", lambda: socket.create_connection(("127.0.0.1", port)))

def send(family):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", port))

def io_uring():
    parameters = ctypes.create_string_buffer(120)
    if ctypes.CDLL(None, use_errno=True).syscall(425, 1, parameters) < 0:
        raise OSError(ctypes.get_errno(), "")

thread = threading.Thread(target=elsewhere)
thread.start()
if confined:
    from reperform.executor.pinning.seccomp import confine
    confine()
begun.set()
thread.join()
tried("connect", lambda: socket.create_connection(("127.0.0.1", port)))
tried("send", lambda: send(socket.AF_INET))
tried("talk to this machine", lambda: socket.socket(socket.AF_UNIX))
tried("talk to a pair", socket.socketpair)
tried("set up a ring", io_uring)
tried("write", lambda: open(path, "w"))
tried("append", lambda: open(path, "a"))
tried("write in memory", lambda: open("/proc/self/mem", "r+b"))
tried("empty", lambda: os.truncate(path + ".before", 0))
tried("remove", lambda: os.remove(path + ".before"))
tried("make a folder", lambda: os.mkdir(path + ".folder"))
tried("run", lambda: subprocess.run(["true"]))
tried("become", lambda: os.posix_spawn("/bin/true", ["true"], {}))
tried("fork", lambda: os.fork() or os._exit(0))
tried("signal", lambda: os.kill(os.getpid(), 0))
if confined:
    tried("read", lambda: open(__import__("os").__file__).read(1))
    tried("start a thread", threading.Thread(target=str).start)
print(json.dumps(results))
"""
LEFT: Final = {"read", "start a thread"}


def attempts(port: int, path: Path, how: str) -> dict[str, str]:
    command = [sys.executable, "-c", ATTEMPTS, str(port), str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    results: dict[str, str] = json.loads(done.stdout)
    return results


@confinable
def test_a_confined_process_can_read_and_compute_and_nothing_else(tmp_path: Path) -> None:
    with listening() as port:
        free = attempts(port, tmp_path / "file", "free")
        confined = attempts(port, tmp_path / "other", "confined")
    assert set(free.values()) == {"done"}
    assert {what for what, result in confined.items() if result == "done"} == LEFT
    assert confined.keys() == free.keys() | LEFT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.folder", "other.before"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine code is x86_64's")
@confinable
def test_a_confined_process_that_calls_as_another_machine_is_killed() -> None:
    # mov eax, 20 (getpid of 32 bits); int 0x80; ret
    script = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        "from reperform.executor.pinning.seccomp import confine\n"
        "confine()\n"
        "call()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert done.returncode in (-signal.SIGSYS, -signal.SIGSEGV)  # the latter where the kernel has no such calls


@confinable
def test_tensors_are_taken_from_a_checkpoint_whose_code_cannot_connect(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    with listening() as port:
        known = {"sizes": [3], "model": {"a": shared, "b": shared[2:4]}, "reached": Runs(connected(port))}
        torch.save(known, tmp_path / "model.pt")
        here = torch.load(tmp_path / "model.pt", weights_only=False)["reached"]
        found = unpickle.tensors(tmp_path / "model.pt", allowed=True)
    assert here.item() == 1
    assert found.pop("reached").item() == 0
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "model.a": shared.tolist(),
        "model.b": [2.0, 3.0],
    }


def test_without_the_flag_nothing_is_unpickled_and_pure_tensors_need_none(tmp_path: Path) -> None:
    written = tmp_path / "written"
    code = f"open({str(written)!r}, 'w').close()"
    path, plain = tmp_path / "model.pt", tmp_path / "plain.pt"
    torch.save({"a": Runs(code)}, path)
    for taken in (
        lambda: unpickle.tensors(path, allowed=False),
        lambda: unpickle.candidate(path, Said(examples=[Record.of({"x": "1"})]), allowed=False),
    ):
        with pytest.raises(PinError, match="opening it runs whatever code stands in it") as refusal:
            taken()
        assert "--unpickle" in str(refusal.value.advice)
    assert not written.exists()
    torch.load(path, weights_only=False)
    assert written.exists()
    torch.save({"a": torch.ones(2)}, plain)
    assert unpickle.tensors(plain, allowed=False)["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("code", "limit_s", "words"),
    [
        ("__import__('os')._exit(7)", 300.0, "ended with exit status 7, and gave nothing"),
        (
            f"[print('x' * 99) for _ in range({LINES})] and 1 / 0",
            300.0,
            "ZeroDivisionError: division by zero",
        ),
        ("__import__('time').sleep(10**6)", 2.0, "was stopped after 2 seconds"),
    ],
    ids=["exits", "prints much, and fails", "hangs"],
)
@confinable
def test_a_pickle_that_ends_the_process_or_hangs_is_refused(
    code: str, limit_s: float, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Runs(code)))
    with pytest.raises(PinError, match=words):
        unpickle.tensors(path, allowed=True, limit_s=limit_s)


@confinable
def test_a_pickled_model_comes_out_as_data_that_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(7)
    module = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1), torch.nn.Flatten(0))
    spec, rule = RecordInput((NumberColumn("x", "a number"),)), Threshold("0.5", "yes", "no")
    examples = [Record.of({"x": text}) for text in ("1", "-2.5", "0")]
    known = Candidate("model", module, examples, spec, ["score"], rule)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(known))
    found = unpickle.candidate(tmp_path / "model.pkl", Said(examples=examples), allowed=True)
    taken = (found.name, found.input, found.outputs, found.rule, found.examples)
    assert taken == ("model", spec, ("score",), rule, examples)
    assert {name: t.tolist() for name, t in found.module.named_buffers()} == {
        name: t.tolist() for name, t in module.named_parameters()
    }
    row = torch.tensor([[1.0], [-2.5]])
    assert torch.equal(found.module(row)[0], module(row))
    assert found.original is not None
    assert [found.original(one)[0].item() for one in examples[:2]] == pytest.approx(module(row).tolist())


@confinable
def test_a_pickled_estimator_is_captured_and_answers_for_itself(tmp_path: Path) -> None:
    rows = [[1.0], [2.0], [3.0], [4.0]]
    fitted = LogisticRegression().fit(rows, [0, 1, 0, 1])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    # Rows as people have them, with a column that the model does not look at.
    examples = [Record.of({"x": str(x), "name": "somebody"}) for (x,) in rows]
    said = Said(examples=examples, notes={"x": Note("a number")})
    found = unpickle.candidate(tmp_path / "model.pkl", said, allowed=True)
    assert found.examples == [Record.of({"x": str(x)}) for (x,) in rows]
    assert found.original is not None
    assert [found.original(one)[0].item() for one in found.examples] == pytest.approx(fitted.predict_proba(rows)[:, 1])
