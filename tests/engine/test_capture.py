"""What cannot be replayed cannot be pinned, and the error says what and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from reperform.evidence.errors import ReperformError
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.rules import Threshold
from reperform.evidence.values import Record
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from torch import Tensor, nn

SPEC = RecordInput(tuple(NumberColumn(name, "", "0.0", "1.0") for name in "abcd"))
EXAMPLE = [Record.of({"a": "1", "b": "2", "c": "-3", "d": "4"}), Record.of({"a": "0", "b": "1", "c": "7", "d": "0.5"})]


class Of(nn.Module):
    """A module that computes a function of its input."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.forward = function

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


def _pin(module: nn.Module, directory: Path, outputs: tuple[str, ...] = ("y",), rule: Threshold | None = None) -> None:
    pin(Candidate("test", module, EXAMPLE, SPEC, outputs, rule), directory)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (torch.lgamma, "operation aten.lgamma.default at node lgamma (module inner) is not defined"),
        (lambda x: torch.fft.fft(x).real, "aten.fft_fft.default"),
        (lambda x: x + torch.rand_like(x), "aten.rand_like.default"),
        (lambda x: x.double() * 2, "gives torch.float64; portable-1 computes in F32"),
        (lambda x: x.to(torch.bfloat16), "gives torch.bfloat16; portable-1 computes in F32"),
        (lambda x: x.to(torch.int16) + 1, "aten._to_copy.default at node _to_copy (module inner) gives torch.int16"),
        (lambda x: x.lgamma() + x.digamma().erfinv(), "is not defined (nor aten.digamma.default, aten.erfinv.default)"),
        (lambda x: torch.conv3d(x[:, None, None, None], x.new_ones(1, 1, 1, 1, 1)), "aten.conv3d.default"),
        (nn.functional.elu, "aten.elu.default"),
        (lambda x: x.var(1), "aten.var.dim"),
        (
            lambda x: x.cumsum(1),
            "aten.cumsum.default at node cumsum (1 of 1): aten.cumsum: an operand of torch.float32",
        ),
        (lambda x: x.repeat(1, 1 << 18 | 1) @ x.new_ones((1 << 20) + 4), "matmul over 1048580 values passes 2^20"),
        (lambda x: x.repeat(1, 1 << 20 | 1).sum(1), "aten.sum.dim_IntList at node sum_1 (2 of 2): sum"),
        (lambda x: x.repeat(1, 1 << 20 | 1).softmax(1), "softmax over 4194308 values passes 2^22"),
        (lambda x: nn.functional.conv1d(x.repeat(1, 1 << 18 | 1)[:, None], x.new_ones(1, 1, (1 << 20) + 4)), "2^20"),
        (lambda x: x**2.5, "2.5"),
        (lambda x: x.log(), "NaN"),
        (lambda x: x if x.sum() > 0 else -x, "cannot capture"),
        (lambda x: x / x.sum(), "mixes the inputs of a batch"),
        (lambda x: x.sum(), "one row for each input"),
        (lambda x: x > 0, "not float32"),
    ],
)
def test_a_module_that_cannot_be_replayed_is_refused(
    function: Callable[[Tensor], Tensor], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ReperformError) as refusal:
        _pin(Of(function), tmp_path / "model")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_the_error_says_how_many_operations_there_are_and_where_they_are_listed(tmp_path: Path) -> None:
    with pytest.raises(PinError, match=r"portable-1 has \d+ operations; docs/arithmetic.md lists them"):
        _pin(Of(torch.lgamma), tmp_path / "model")


def test_a_tensor_in_float64_is_refused_with_the_operation_that_reads_it(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        scale: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.tensor(2.0, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return x.relu() * self.scale

    with pytest.raises(
        PinError, match=r"tensor scale, read by aten.mul.Tensor at node mul_2 \(module itself\), is torch"
    ):
        _pin(Scaled(), tmp_path / "model")


def test_a_module_that_changes_a_buffer_is_refused(tmp_path: Path) -> None:
    class Counts(nn.Module):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            self.seen += 1
            return x + self.seen

    with pytest.raises(PinError, match="BUFFER_MUTATION"):
        _pin(Counts(), tmp_path / "model")


def test_the_number_of_names_must_be_that_of_the_outputs(tmp_path: Path) -> None:
    with pytest.raises(ReperformError, match="1 outputs, the manifest names 2"):
        _pin(Of(torch.relu), tmp_path / "model", outputs=("y", "z"))


def test_a_rule_needs_one_number(tmp_path: Path) -> None:
    with pytest.raises(ReperformError, match="reads one number"):
        _pin(Of(torch.relu), tmp_path / "model", rule=Threshold("0.5", "yes", "no"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(PinError, match="exists already"):
        _pin(Of(torch.relu), tmp_path / "model")


def test_equal_weights_are_stored_once_and_unused_ones_not_at_all(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b = nn.Linear(4, 4, bias=False)
            self.a = nn.Linear(4, 4, bias=False)
            self.c = nn.Linear(4, 4, bias=False)
            self.a.weight, self.unused = self.b.weight, nn.Linear(4, 4)
            self.c.weight.data = self.b.weight.detach().clone()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.a(self.b(self.c(x)))
            return y

    _pin(Tied(), tmp_path / "model")
    assert len(PinnedModel.load(tmp_path / "model").manifest.tensors) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_pinned_as_they_are_and_widened_when_loaded(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    module = nn.Linear(4, 2).to(dtype)
    _pin(Widened(module), tmp_path / "model")
    model = PinnedModel.load(tmp_path / "model")
    assert {entry.dtype.value for entry in model.manifest.tensors} == {"BF16" if dtype is torch.bfloat16 else "F16"}
    with torch.no_grad():
        expected = module.float()(*model.tensors(EXAMPLE))
    for row, output in zip(expected, model.run(EXAMPLE), strict=True):
        assert torch.allclose(row, torch.frombuffer(bytearray(output.tensors[0].data), dtype=torch.float32))


class Widened(nn.Module):
    """Half-precision weights with float32 arithmetic around them."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = nn.functional.linear(x, self.linear.weight.float(), self.linear.bias.float())
        return y


def test_pinning_twice_gives_the_same_model_id(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    for name in ("one", "two"):
        _pin(module, tmp_path / name)
    one, two = (PinnedModel.load(tmp_path / name) for name in ("one", "two"))
    assert one.model_id == two.model_id
    for part in ("graph.json", "weights.safetensors", "manifest.msgpack"):
        assert (tmp_path / "one" / part).read_bytes() == (tmp_path / "two" / part).read_bytes()
