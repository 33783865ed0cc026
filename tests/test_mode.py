"""Which upstreams a command uses, and where the sandbox is."""

import pytest

from tokensite import mode
from tokensite.runs import Run

LIVE_RUN = Run(pid=1, upstreams="live", sandbox_url="", port=8000)
SANDBOX_RUN = Run(pid=1, upstreams="sandbox", sandbox_url="http://127.0.0.1:4000", port=8000)


def never_asked(url: str) -> bool:
    raise AssertionError(f"{url} was asked")


@pytest.mark.parametrize(
    ("wanted", "run", "answer", "chosen"),
    [
        ("live", None, None, "live"),
        ("sandbox", LIVE_RUN, None, "sandbox"),
        ("auto", SANDBOX_RUN, None, "sandbox"),
        ("", LIVE_RUN, None, "live"),
        ("auto", None, True, "live"),
        ("auto", None, False, "sandbox"),
        (" sandbox ", None, None, "sandbox"),
    ],
)
def test_explicit_wins_then_the_running_up_then_whether_jupiter_answers(wanted, run, answer, chosen):
    environ = {"UPSTREAMS": wanted}
    answers = never_asked if answer is None else lambda url: answer
    assert mode.resolve(environ, run, answers).upstreams == chosen
    assert environ["UPSTREAMS"] == chosen


def test_the_choice_says_why_and_which_address_was_asked():
    asked = []
    environ = {"JUPITER_URL": "https://mirror.example"}
    chosen = mode.resolve(environ, None, lambda url: bool(asked.append(url)))
    assert asked == ["https://mirror.example"]
    assert chosen.why == "Jupiter does not answer at https://mirror.example"


@pytest.mark.parametrize("wanted", ["Live", "on", "live,sandbox"])
def test_another_value_is_refused_with_the_allowed_ones(wanted):
    with pytest.raises(mode.ModeInvalid, match="auto, live, sandbox"):
        mode.resolve({"UPSTREAMS": wanted}, None, never_asked)


@pytest.mark.parametrize(
    ("given", "running", "url", "port"),
    [
        ({}, None, "http://127.0.0.1:5555", "5555"),
        ({"SANDBOX_PORT": "0"}, None, "http://127.0.0.1:5555", "5555"),
        ({"SANDBOX_PORT": "8900"}, None, "http://127.0.0.1:8900", "8900"),
        ({}, SANDBOX_RUN, "http://127.0.0.1:4000", None),
        ({"SANDBOX_PORT": "8900"}, SANDBOX_RUN, "http://127.0.0.1:4000", None),
        ({}, LIVE_RUN, "http://127.0.0.1:5555", "5555"),
        ({"SANDBOX_URL": "http://10.0.0.1:1"}, SANDBOX_RUN, "http://10.0.0.1:1", None),
    ],
)
def test_a_sandbox_port_remains_only_when_the_sandbox_is_ours_to_start(given, running, url, port):
    environ = dict(given)
    mode.place_sandbox(environ, running, lambda: 5555)
    assert (environ["SANDBOX_URL"], environ.get("SANDBOX_PORT")) == (url, port)
