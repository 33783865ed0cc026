import pytest

from enrichment.sandbox.jupiter import CALLS_PER_WINDOW, VENDOR, account_of
from enrichment.sandbox.limits import Limiter

NOW_S = 1_795_000_000.25


@pytest.mark.parametrize(
    ("key", "plan"),
    [
        (None, "keyless"),
        ("", "keyless"),
        ("jup_free_abc", "free"),
        ("jup_developer_abc", "developer"),
        ("jup_launch_abc", "launch"),
        ("jup_pro_abc", "pro"),
        ("jup_keyless_sandbox", "keyless"),
        ("jup_0123abc", "free"),
    ],
)
def test_a_key_names_its_plan(key, plan):
    account = account_of(key)
    assert account is not None
    assert account.plan == plan
    assert not key or key not in account.name


def test_other_keys_are_refused():
    assert account_of("wrong") is None


@pytest.mark.parametrize("plan", CALLS_PER_WINDOW)
def test_a_plan_allows_its_calls_in_any_sixty_seconds(plan):
    limiter, limit = Limiter(), CALLS_PER_WINDOW[plan]
    gap_s = 40 / limit
    verdicts = [limiter.admit(plan, limit, NOW_S + gap_s * call) for call in range(limit + 1)]
    assert [verdict.is_allowed for verdict in verdicts] == [True] * limit + [False]
    assert not limiter.admit(plan, limit, NOW_S + 59.9).is_allowed
    assert limiter.admit(plan, limit, NOW_S + 60).is_allowed  # the first slot is free again, and only that one
    assert not limiter.admit(plan, limit, NOW_S + 60 + gap_s / 2).is_allowed


def test_the_headers_count_down_below_zero_and_name_the_second_a_slot_frees():
    limiter = Limiter()
    verdicts = [limiter.admit("keyless", 30, NOW_S + call) for call in range(31)]
    headers = [dict(VENDOR.headers(200 if verdict.is_allowed else 429, verdict)) for verdict in verdicts]
    assert headers[0].pop(b"x-api-gateway-request-id")
    assert headers[0] == {
        b"x-ratelimit-remaining": b"29",
        b"x-ratelimit-current": b"1",
        b"x-ratelimit-reset": b"1795000061",
    }
    assert headers[29][b"x-ratelimit-remaining"] == b"0"
    assert headers[30][b"x-ratelimit-remaining"] == b"-1"


def test_a_refused_call_costs_nothing():
    limiter = Limiter()
    for _ in range(30):
        limiter.admit("keyless", 30, NOW_S)
    assert not any(limiter.admit("keyless", 30, NOW_S + second).is_allowed for second in range(1, 60))
    assert all(limiter.admit("keyless", 30, NOW_S + 60).is_allowed for _ in range(30))


def test_accounts_do_not_share_a_window():
    limiter = Limiter()
    for _ in range(31):
        limiter.admit("keyless", 30, NOW_S)
    assert limiter.admit("free:a", 60, NOW_S).is_allowed
