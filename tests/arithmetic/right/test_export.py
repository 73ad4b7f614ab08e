"""Models as people write them: captured, run as a graph, and close to native torch (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reperform.executor.arithmetic.operations import TABLE
from reperform.executor.graph import Graph
from reperform.executor.graph_json import from_json, to_json
from reperform.executor.interpreter import Program, RunError
from reperform.executor.pinning.capture import capture
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor, nn

WIDTH, VOCABULARY = 32, 99


class Layer(nn.Module):
    """A transformer layer as BERT has it."""

    def __init__(self) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.first, self.second = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)
        self.up, self.down, self.dropout = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH), nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (p(x).view(x.shape[0], x.shape[1], 4, 8).transpose(1, 2) for p in self.projections[:3])
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(x.shape)
        x = self.first(x + self.dropout(self.projections[3](mixed)))
        result: Tensor = self.second(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return result


class Encoder(nn.Module):
    """A sentence encoder: embeddings, two layers, mean over the mask, unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(64, WIDTH)
        self.kinds = nn.Embedding(2, WIDTH)
        self.norm, self.layers = nn.LayerNorm(WIDTH), nn.ModuleList(Layer() for _ in range(2))
        self.register_buffer("positions", torch.arange(64)[None])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        positions: Tensor = self.positions[:, : ids.shape[1]]  # type: ignore[index]
        x = self.norm(self.words(ids) + self.places(positions) + self.kinds(torch.zeros_like(ids)))
        added = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(torch.float32).min
        for layer in self.layers:
            x = layer(x, added)
        weights = mask.unsqueeze(-1).expand(x.shape).to(x.dtype)
        pooled = (x * weights).sum(1) / torch.clamp(weights.sum(1), min=1e-9)
        return F.normalize(pooled, dim=-1)


class Transposed(nn.Module):
    """A linear layer as GPT-2 has it (Conv1D): the weight is transposed, the product an addmm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs) * 0.1), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return flat.view(*x.size()[:-1], self.weight.shape[1])


class Gpt(nn.Module):
    """A decoder as GPT-2: learned places, Conv1D, causal attention, tanh gelu, tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(64, WIDTH)
        self.before, self.between, self.after = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.attention, self.mixed = Transposed(WIDTH, 3 * WIDTH), Transposed(WIDTH, WIDTH)
        self.up, self.down = Transposed(WIDTH, 4 * WIDTH), Transposed(4 * WIDTH, WIDTH)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        batch, length = ids.shape
        x = self.words(ids) + self.places(torch.arange(length, device=ids.device))
        q, k, v = self.attention(self.before(x)).split(WIDTH, dim=2)
        q, k, v = (t.view(batch, length, 4, 8).transpose(1, 2) for t in (q, k, v))
        allowed = torch.ones(length, length, dtype=torch.bool).tril() & mask[:, None, None, :].bool()
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + self.mixed(mixed.transpose(1, 2).contiguous().view(batch, length, WIDTH))
        h = self.up(self.between(x))
        h = 0.5 * h * (1.0 + torch.tanh(0.7978845608 * (h + 0.044715 * torch.pow(h, 3.0))))
        return F.log_softmax(self.after(x + self.down(h)) @ self.words.weight.T, dim=-1)[:, -1]


class Llama(nn.Module):
    """A decoder as Llama: RMS norm, rotary places, grouped key heads, causal attention, gated SiLU."""

    inverse: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.before, self.between = nn.RMSNorm(WIDTH, eps=1e-6), nn.RMSNorm(WIDTH)
        self.q, self.k, self.v = (nn.Linear(WIDTH, n, bias=False) for n in (WIDTH, WIDTH // 2, WIDTH // 2))
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate, self.up, self.down = nn.Linear(WIDTH, 64), nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)
        self.register_buffer("inverse", 1.0 / 10000 ** (torch.arange(0, 8, 2) / 8))

    def rotated(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[2])[:, None].float() * self.inverse
        angles = torch.cat([angles, angles], -1)
        first, second = x.chunk(2, -1)
        return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

    def forward(self, ids: Tensor, _: Tensor) -> Tensor:
        x = self.words(ids)
        h = self.before(x)
        q, k, v = (p(h).unflatten(-1, (-1, 8)).transpose(1, 2) for p in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v, is_causal=True, enable_gqa=True)
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        h = self.between(x)
        result: Tensor = self.head(x + self.down(F.silu(self.gate(h)) * self.up(h)))[:, -1]
        return result


class Resnet(nn.Module):
    """An image classifier: convolutions, batch norm, max pooling, a residual block, a depthwise one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool, self.downsample = nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 16, 1, 2, bias=False)
        self.first, self.norm = nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.depthwise, self.activation = nn.Conv2d(16, 16, 3, 1, "same", groups=16), nn.ReLU6()
        self.second, self.squeeze = nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 1)
        self.average, self.head = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem(x))
        h = self.second(self.activation(self.depthwise(F.relu(self.norm(self.first(x))))))
        h = h * F.hardsigmoid(self.squeeze(h.mean((2, 3), keepdim=True)))
        x = F.hardswish(h + self.downsample(x))
        return F.softmax(self.head(torch.flatten(self.average(x), 1)), 1)


class Speech(nn.Module):
    """Frames from samples by a fixed filter bank, log power, a bidirectional LSTM and a GRU."""

    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        angles = torch.arange(16)[None] * torch.arange(9)[:, None] * (2 * torch.pi / 16)
        self.register_buffer("bank", torch.cat([angles.cos(), angles.sin()])[:, None] * torch.hann_window(16))
        self.local, self.lstm = nn.Conv1d(9, 12, 3, padding=1), nn.LSTM(12, 6, 2, batch_first=True, bidirectional=True)
        self.gru, self.head = nn.GRU(12, 7, batch_first=True), nn.Linear(7, 4)

    def forward(self, samples: Tensor) -> Tensor:
        padded = F.pad(samples[:, None], (8, 8), mode="reflect")
        real, imaginary = F.conv1d(padded, self.bank, stride=4).chunk(2, 1)
        power = torch.log(real.pow(2) + imaginary.pow(2) + 1e-3)
        h = F.avg_pool1d(F.leaky_relu(self.local(power)), 2)
        states, _ = self.gru(self.lstm(h.transpose(1, 2))[0])
        result: Tensor = self.head(states[:, -1])
        return result


class Unet(nn.Module):
    """Down and up again: group norm, SiLU, average pooling, nearest and bilinear upsampling, concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.low = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=2, dilation=2)
        self.norms = nn.ModuleList([nn.GroupNorm(4, 8), nn.GroupNorm(4, 16), nn.InstanceNorm2d(24, affine=True)])
        self.mix, self.out = nn.Conv2d(24, 8, 3, padding=1, padding_mode="reflect"), nn.Conv2d(8, 4, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        high = F.silu(self.norms[0](self.into(x)))
        low = F.silu(self.norms[1](self.low(F.avg_pool2d(high, 2))))
        up = F.interpolate(low, scale_factor=2, mode="nearest")
        smooth = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        joined = self.norms[2](torch.cat([high, up + 0.5 * smooth], 1))
        result: Tensor = self.shuffle(torch.sigmoid(self.out(F.mish(self.mix(joined)))))
        return result


class Vit(nn.Module):
    """Patches by a convolution, a class token, torch's own encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 17, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        result: Tensor = self.head(self.norm(self.encoder(x))[:, 0])
        return result


class Recommender(nn.Module):
    """Bags of ids, an interaction by einsum, a mixture of two experts chosen by topk."""

    def __init__(self) -> None:
        super().__init__()
        self.bags = nn.EmbeddingBag(VOCABULARY, 8, mode="mean")
        self.gate, self.experts = nn.Linear(8, 4), nn.Parameter(torch.randn(4, 8, 8))
        self.prelu, self.head = nn.PReLU(), nn.Linear(72, 1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.bags(ids * mask)
        weights, chosen = torch.topk(F.softmax(self.gate(x), -1), 2)
        mixed = (self.experts[chosen] @ x[:, None, :, None]).squeeze(-1)
        x = self.prelu((mixed * weights[..., None]).sum(1))
        pairs = torch.einsum("bi,bj->bij", x, x).flatten(1)
        return F.softplus(self.head(torch.cat([x, pairs], 1)))


def perceptron() -> nn.Module:
    middle = [nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 8), nn.Tanh(), nn.BatchNorm1d(8)]
    return nn.Sequential(nn.Linear(10, 16), *middle, nn.Linear(8, 1), nn.Sigmoid())


def texts(batch: int, length: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    left = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return torch.randint(0, VOCABULARY, (batch, length), generator=generator), torch.arange(length).lt(left).long()


def noise(*shape: int) -> Callable[[int], tuple[Tensor, ...]]:
    return lambda batch: (torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch)),)


BATCH: dict[str, tuple[int, int]] = {}
TOKENS = {"tokens": (1, 64)}
# What makes the module, inputs for so many examples, and the sizes that are free.
CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[int], tuple[Tensor, ...]], dict[str, tuple[int, int]]]] = {
    "bert": (Encoder, lambda batch: texts(batch, 4 * batch), TOKENS),
    "gpt": (Gpt, lambda batch: texts(batch, 4 * batch), TOKENS),
    "llama": (Llama, lambda batch: texts(batch, 4 * batch), TOKENS),
    "recommender": (Recommender, lambda batch: texts(batch, 6), BATCH),
    "resnet": (Resnet, noise(3, 40, 40), BATCH),
    "unet": (Unet, noise(3, 16, 12), BATCH),
    "vit": (Vit, noise(3, 16, 16), BATCH),
    "speech": (Speech, noise(64), BATCH),
    "perceptron": (perceptron, noise(10), BATCH),
}


def settled(module: nn.Module) -> nn.Module:
    """In inference, with recorded statistics as training leaves them."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5, generator=generator)
    return module.eval()


def _captured(
    module: nn.Module, example: tuple[torch.Tensor, ...], sizes: Mapping[str, tuple[int, int]]
) -> tuple[Graph, dict[str, torch.Tensor]]:
    """With a free batch, and as many more leading sizes free as there are `sizes`."""
    shapes = [("batch", *sizes, *tensor.shape[1 + len(sizes) :]) for tensor in example]
    return capture(module, example, shapes, sizes, TABLE.keys())[:2]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_captured_model_runs_close_to_native(name: str) -> None:
    make, inputs, sizes = CASES[name]
    torch.manual_seed(0)
    module = settled(make())
    graph, weights = _captured(module, inputs(3), sizes)
    program = Program(from_json(to_json(graph)), weights, TABLE)
    together = inputs(5)
    (result,) = program(*together)
    with torch.inference_mode():
        assert torch.allclose(result, module(*together), atol=2e-5)
    for i in (0, 3):
        (alone,) = program(*(tensor[i : i + 1] for tensor in together))
        assert same_bits(alone, result[i : i + 1])


class First(nn.Module):
    """The first output of a module, which is given one input so many times."""

    def __init__(self, module: nn.Module, times: int = 1) -> None:
        super().__init__()
        self.module, self.times = module, times

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.module(*[x] * self.times)[0]
        return result


def modules() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Single layers and functions, and the shape of an example."""
    return {
        "hardtanh": (F.hardtanh, (10,)),
        "glu": (F.glu, (10,)),
        "threshold": (lambda x: F.threshold(x, 0.1, 0.0), (10,)),
        "lerp": (lambda x: torch.lerp(x, x.flip(1), 0.3), (10,)),
        "addcmul": (lambda x: torch.addcmul(x, x, x, value=0.5), (10,)),
        "cosine similarity": (lambda x: F.cosine_similarity(x, x.flip(1), dim=-1), (10,)),
        "logsumexp": (lambda x: x.logsumexp(-1), (10,)),
        "one hot": (lambda x: F.one_hot(x.argmax(1), 10).float(), (10,)),
        "meshgrid": (lambda x: x + torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing="ij")[1], (4, 5)),
        "linspace": (lambda x: x + torch.linspace(0, 1, 10), (10,)),
        "assignment": (_assigned, (10,)),
        "sorting": (lambda x: x.sort(1, descending=True)[0] + x.gather(1, x.argsort(1)), (10,)),
        "scatter": (lambda x: x.scatter(1, x.argsort(1), x), (10,)),
        "unfold": (nn.Unfold(3, padding=1), (2, 5, 6)),
        "frames": (lambda x: x.unfold(-1, 4, 2), (10,)),
        "circular padding": (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), (2, 9)),
        "replication padding": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"), (2, 5, 5)),
        "upsampling to a size": (lambda x: F.interpolate(x, size=(7, 9)), (2, 5, 5)),
        "linear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="linear"), (2, 5)),
        "channel shuffle": (nn.ChannelShuffle(2), (4, 5, 5)),
        "adaptive maximum": (nn.AdaptiveMaxPool2d((3, 2)), (2, 7, 5)),
        "lstm cell": (First(nn.LSTMCell(10, 4)), (10,)),
        "gru cell": (nn.GRUCell(10, 4), (10,)),
        "attention with weights": (First(nn.MultiheadAttention(8, 2, batch_first=True), 3), (5, 8)),
    }


def _assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 1.0
    y[:, 2:4] = x[:, :2]
    y[x > 1] = 7.0
    return y


class Of(nn.Module):
    """A module that computes a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (nn.Conv1d(2, 3, 3), r"aten.conv1d.default at node conv1d \(2 of 2\): .* NaN or an infinity"),
        (nn.Conv1d(2, 4, 1, groups=2), r"aten.conv1d.default at node conv1d \(2 of 2\): .* NaN or an infinity"),
        (lambda x: F.avg_pool1d(x, 2), r"aten.avg_pool1d.default at node avg_pool1d \(2 of 2\): .* NaN or an infinity"),
        (nn.GRU(9, 2), r"aten.gru.input at node gru \(\d of \d\): .* NaN or an infinity"),
        (lambda x: F.max_pool1d(x - x, 2), r"aten.sub.Tensor at node sub \(2 of 3\): its result has a NaN"),
        (lambda x: x.argsort(), "None"),
    ],
    ids=["conv1d", "grouped conv1d", "avg_pool1d", "gru", "max_pool1d", "argsort"],
)
def test_an_infinity_stops_the_run_where_it_is_an_operand(function: Any, words: str) -> None:
    last = function if isinstance(function, nn.Module) else Of(function)
    module = nn.Sequential(Of(torch.reciprocal), last).eval()
    graph, weights, _ = capture(module, noise(2, 9)(2), [(2, 2, 9)], {}, TABLE.keys())
    program, x = Program(graph, weights, TABLE), torch.ones(2, 2, 9)
    program(x)
    x[1, 0, 4] = 0.0
    if words == "None":
        program(x)
        return
    with pytest.raises(RunError, match=words):
        program(x)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_captured_layer_runs_close_to_native(name: str) -> None:
    torch.manual_seed(0)
    function, shape = modules()[name]
    module = Of(function).eval()
    graph, weights = _captured(module, noise(*shape)(3), BATCH)
    x = noise(*shape)(4)
    with torch.inference_mode():
        assert torch.allclose(Program(graph, weights, TABLE)(*x)[0], module(*x), atol=1e-5)
