"""The global sources of chance: their states, to be saved and put back."""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """The states of every global random source: Python's, NumPy's, PyTorch's on the CPU and on each GPU."""
    _, keys, *rest = np.random.get_state()  # noqa: NPY002 - the legacy state is the one that user code draws from
    return {
        "python": random.getstate(),
        "numpy": [torch.from_numpy(keys.astype(np.int64)), *rest],  # weights_only reads tensors, not arrays
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Put back what `random_states` took; GPUs that are not there now are left out."""
    random.setstate(states["python"])
    keys, *rest = states["numpy"]
    np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"].cpu())
    for index, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state.cpu(), index)
