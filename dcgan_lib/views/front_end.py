"""Whether anyone is at the notebook, and work that is done again and again while its cell stands."""

import asyncio
from collections.abc import Callable
from typing import Any

from IPython import get_ipython


def has_front_end() -> bool:
    """Whether a person is at the notebook: JupyterLab, Notebook, VS Code and Colab can answer a prompt.

    papermill, nbval and nbconvert tell the kernel that they can't, and none of them would show a widget.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(kernel and kernel.get_parent().get("content", {}).get("allow_stdin"))


class Repeater:
    """Calls `act` every so many seconds on the kernel's own event loop, until the cell is run again or `stop()`.

    It waits while a cell is running. Without a loop, as in plain Python, it never calls. Where the front end doesn't
    tell which cell is run, the next one to start ends it.
    """

    of_unknown_cell: "Repeater | None" = None

    def __init__(self, act: Callable[[], None], seconds: float) -> None:
        self.act = act
        self.seconds = seconds
        self.task: asyncio.Task | None = None

    def start(self) -> None:
        """Begin, from the cell that is being run; once begun, another call changes nothing."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self.task is None:
            self.cell = get_ipython().kernel.get_parent().get("metadata", {}).get("cellId")
            if self.cell is None:
                if Repeater.of_unknown_cell:
                    Repeater.of_unknown_cell.stop()
                Repeater.of_unknown_cell = self
            get_ipython().events.register("pre_run_cell", self._end_with_cell)
            self.task = loop.create_task(self._repeat())

    def stop(self) -> None:
        """End it, also from within `act`."""
        if self.task:
            self.task.cancel()
            self.task = None
            get_ipython().events.unregister("pre_run_cell", self._end_with_cell)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
            self.act()

    def _end_with_cell(self, info: Any) -> None:
        if self.cell is not None and info.cell_id == self.cell:
            self.stop()
