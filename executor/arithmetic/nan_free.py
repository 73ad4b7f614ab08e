"""Operations that give no NaN where they are given none (§0): their results need not be looked through for one."""

from __future__ import annotations

from typing import Final

NAN_FREE: Final = frozenset(
    {
        # Operands are finite or the run has stopped, and a sum of finite products is finite or infinite;
        # functional.linear looks after an infinite bias.
        "aten.linear.default",
        "aten.matmul.default",
        "aten.mm.default",
        "aten.bmm.default",
        # Weights from 0 to 1 of finite values; scores that are NaN or +inf stop the run.
        "aten.scaled_dot_product_attention.default",
        "aten.softmax.int",
        "aten._softmax.default",
        "aten.log_softmax.int",
        "aten._log_softmax.default",
        # functional.layer_norm looks after its weight, its bias and its eps.
        "aten.layer_norm.default",
        # Functions with a limit at both infinities.
        *(f"aten.{name}.default" for name in ("exp", "tanh", "erf", "sigmoid", "silu", "gelu", "softplus", "relu")),
        *(f"aten.{name}.default" for name in ("neg", "abs")),
        # Nothing but their elements.
        *(f"aten.{name}.default" for name in ("embedding", "cat", "stack", "clone", "contiguous", "index_select")),
        "aten.view.default",
        "aten.transpose.int",
    }
)
