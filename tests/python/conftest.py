import pytest

from chatter import Chatter
from server import OFFICIAL, Server


def pytest_collection_modifyitems(config, items):
    """Only what is marked `official` is a question for the official server."""
    if OFFICIAL:
        others = [item for item in items if "official" not in item.keywords]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "official" in item.keywords]


# Ping interval, ping timeout and some more.
PONG_MISSED_S = 50


@pytest.fixture(scope="module")
def server():
    """One for each file: those that vanish in one would be missed in another when their time is over."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def start():
    """Starts servers of a test's own, with options."""
    started = []

    def start_server(*arguments, port=0):
        started.append(Server(*arguments, port=port))
        return started[-1]

    yield start_server
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def watcher(server):
    """A user who is there all the time and must never notice more of the others than that they come and go."""
    watcher = Chatter(server.url, name="Watcher")
    yield watcher
    watcher.leave()


@pytest.fixture
def enter(server, watcher):
    """Lets users come in. They leave at the end of the test, and the next test begins when they are gone."""
    users = []

    def enter_user(kind="websocket", name=None, **options):
        users.append(Chatter(server.url, kind, name, **options))
        return users[-1]

    yield enter_user
    there = {user.hello["id"] for user in users}
    for user in users:
        user.leave()
    while there:
        # A client on polling may go without a word, between two polls: then it is gone when its PONG is missing.
        there.discard(watcher.take("offline", wait_s=PONG_MISSED_S)["id"])
