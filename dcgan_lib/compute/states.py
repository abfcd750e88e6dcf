"""Networks and optimisers take back what was saved of them: all, or nothing."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from dcgan_lib.checkpoint import CheckpointError


def put_back(
    parts: Mapping[str, nn.Module | torch.optim.Optimizer], state: Mapping[str, Any], needed: Collection[str] = ()
) -> None:
    """Load `state[name]` into each part; an optimiser keeps its own rates, and how it computes.

    `needed`: what else the state must have. `CheckpointError` in one line for what doesn't fit, and then every part is
    as it was.
    """
    before = copy.deepcopy({name: part.state_dict() for name, part in parts.items()})
    try:
        for name in needed:
            state[name]
        for name, part in parts.items():
            values = state[name]
            if isinstance(part, torch.optim.Optimizer):
                pairs = zip(part.param_groups, values["param_groups"], strict=True)
                values = values | {"param_groups": [own | {"params": group["params"]} for own, group in pairs]}
            part.load_state_dict(values)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        for name, part in parts.items():
            part.load_state_dict(before[name])
        reason = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:150]
        raise CheckpointError(f"the state doesn't fit this GAN's networks: {reason}") from error
