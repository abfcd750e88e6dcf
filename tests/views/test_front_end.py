"""What is done again and again while a cell stands, and ends with it."""

import asyncio
from types import SimpleNamespace

import pytest
from IPython.core.events import EventManager, available_events

from dcgan_lib.views import front_end
from dcgan_lib.views.front_end import Repeater


@pytest.fixture
def shell(monkeypatch):
    """A notebook whose front end has just run the cell "mine"."""
    message = {"metadata": {"cellId": "mine"}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: message))
    shell.events = EventManager(shell, available_events)
    monkeypatch.setattr(front_end, "get_ipython", lambda: shell)
    return shell


def test_it_goes_on_until_its_own_cell_is_run_again(shell):
    async def scene():
        calls = asyncio.Semaphore(0)
        repeater = Repeater(calls.release, seconds=0)
        repeater.start()
        task = repeater.task
        repeater.start()  # shown a second time
        assert repeater.task is task
        for cell in ("another", None):
            shell.events.trigger("pre_run_cell", SimpleNamespace(cell_id=cell))
            await asyncio.wait_for(calls.acquire(), 30)
        shell.events.trigger("pre_run_cell", SimpleNamespace(cell_id="mine"))
        await asyncio.wait([task], timeout=30)
        assert task.cancelled()
        assert repeater._end_with_cell not in shell.events.callbacks["pre_run_cell"]

    asyncio.run(scene())


def test_where_no_cell_is_told_the_next_one_ends_it(shell):
    shell.kernel.get_parent()["metadata"].clear()

    async def scene():
        first, second = (Repeater(lambda: None, seconds=60) for _ in range(2))
        first.start()
        task = first.task
        second.start()
        await asyncio.wait([task], timeout=30)
        assert task.cancelled()
        assert second.task
        second.stop()

    asyncio.run(scene())


def test_work_may_end_itself(shell):
    async def scene():
        repeater = Repeater(lambda: repeater.stop(), seconds=0)
        repeater.start()
        task = repeater.task
        await asyncio.wait([task], timeout=30)
        assert task.cancelled()
        repeater.stop()  # a second time, nothing happens

    asyncio.run(scene())


def test_without_an_event_loop_nothing_is_begun():
    repeater = Repeater(lambda: None, seconds=0)
    repeater.start()
    assert repeater.task is None
