import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from enrichment.sandbox.listing import Listing
from enrichment.sandbox.market import WINDOWS_S, Market

NOW_S = 1_795_000_000.25
BASE = np.arange(3_000, dtype=np.uint64)
HOT, QUIET = BASE[3:23], BASE[1_500:]


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=5)


def test_two_markets_of_one_seed_are_one_market(market):
    ids = np.concatenate([BASE, market.universe.newest(NOW_S, 100)])
    mine, theirs = market.observe(ids, NOW_S), Market(seed=5).observe(ids[::-1], NOW_S)
    assert np.array_equal(mine.price_usd, theirs.price_usd[:, ::-1])
    assert np.array_equal(mine.trades, theirs.trades[:, ::-1])
    assert not np.array_equal(mine.price_usd, Market(seed=6).observe(ids, NOW_S).price_usd)


def test_a_token_is_the_same_however_many_mints_there_are():
    few, many = Market(mints=100), Market(mints=1_000_000)
    ids = np.concatenate([BASE[:100], few.universe.newest(NOW_S, 30)])
    assert few.universe.mints(ids) == many.universe.mints(ids)
    assert np.array_equal(few.observe(ids, NOW_S).price_usd, many.observe(ids, NOW_S).price_usd)


@pytest.mark.parametrize("speed", [1.0, 30.0])
def test_stated_changes_are_those_of_the_prices_that_were_shown(speed):
    market = Market(seed=5, speed=speed)
    now = market.observe(BASE, NOW_S)
    for window, span_s in enumerate(WINDOWS_S.values()):
        before = market.observe(BASE, NOW_S - span_s)
        assert np.array_equal(now.price_usd[window + 1], before.price_usd[0])
        assert np.allclose(now.change_pct(window), (now.price_usd[0] / before.price_usd[0] - 1) * 100)
        assert np.array_equal(now.trades_in(window), now.trades[0] - before.trades[0])


def test_prices_move_without_leaps(market):
    steps = [market.observe(BASE[:500], NOW_S + step).price_usd[0] for step in range(0, 120, 5)]
    moves = np.abs(np.diff(np.log(steps), axis=0))
    assert 0 < moves.max() < 0.7
    assert np.median(moves[moves > 0]) < 0.05


def test_hot_tokens_move_at_every_poll_and_quiet_ones_hardly(market):
    before, after = market.observe(BASE, NOW_S), market.observe(BASE, NOW_S + 5)
    moved = before.price_usd[0] != after.price_usd[0]
    assert moved[HOT].mean() > 0.8
    assert moved[QUIET].mean() < 0.1
    same = ~moved
    assert np.array_equal(before.traded_at_s[0][same], after.traded_at_s[0][same])


def test_slots_and_trade_counts_never_go_back(market):
    ids = np.concatenate([BASE[:200], market.universe.newest(NOW_S, 100)])
    looks = [market.observe(ids, NOW_S + 20 * step) for step in range(50)]
    assert (np.diff([look.slots for look in looks], axis=0) >= 0).all()
    assert (np.diff([look.trades[0] for look in looks], axis=0) >= 0).all()
    assert all((look.traded_at_s[0] <= NOW_S + 20 * step + 1e-5).all() for step, look in enumerate(looks))
    assert looks[-1].slots[3] - looks[0].slots[3] == pytest.approx(2.5 * 49 * 20, rel=0.05)


def test_a_third_of_the_tokens_and_more_newborns_have_no_price(market):
    assert market.observe(BASE, NOW_S).is_priced.mean() == pytest.approx(0.65, abs=0.04)
    launches = market.observe(market.universe.newest(NOW_S, 2_000), NOW_S).traits
    assert (launches.priced_after > 0).mean() == pytest.approx(0.40, abs=0.04)


def test_some_newborns_get_their_price_minutes_later(market):
    ids = market.universe.newest(NOW_S, 200)
    at_birth, later = market.observe(ids, NOW_S).is_priced, market.observe(ids, NOW_S + 3_600).is_priced
    assert (later >= at_birth).all()
    assert later.sum() > at_birth.sum()
    assert later.mean() == pytest.approx(0.75, abs=0.1)


def test_stables_stay_at_one_and_sol_is_the_largest(market):
    sight = market.observe(BASE, NOW_S)
    assert sight.price_usd[0][1:3] == pytest.approx([1, 1], abs=0.005)
    assert sight.liquidity_usd[0].argmax() == 0
    caps = sight.price_usd[0] * sight.traits.circulating
    assert caps.argmax() == 0


def test_volume_falls_with_rank_and_a_few_tokens_fake_it(market):
    sight = market.observe(BASE, NOW_S)
    volume = sight.trades_in(3) * sight.turnover_usd
    assert volume[:3].sum() > volume[3:].sum() > 1e8
    assert np.median(volume[3:103]) > 100 * np.median(volume[1_000:])
    assert (volume > 100 * sight.liquidity_usd[0]).mean() == pytest.approx(0.02, abs=0.01)


def test_launches_die_young(market):
    ids = market.universe.newest(NOW_S, 2_000)
    sight = market.observe(ids, NOW_S + 86_400)
    kept = sight.price_usd[0] / sight.traits.start_usd
    assert np.median(kept) < 1
    assert (kept < 0.1).mean() > 0.1
    assert kept.max() > 2


@pytest.mark.parametrize("speed", [0.01, 1.0, 1_000.0])
def test_every_number_is_finite_and_positive_at_any_speed(speed):
    market = Market(speed=speed)
    ids = np.concatenate([BASE, np.arange(900_000, 901_000, dtype=np.uint64), market.universe.newest(NOW_S, 500)])
    sight = market.observe(ids, NOW_S)
    for numbers in (sight.price_usd, sight.liquidity_usd, sight.turnover_usd, sight.holders):
        assert np.isfinite(numbers).all()
        assert (numbers > 0).all()
    assert (sight.traded_at_s <= NOW_S + 1e-5).all()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_million_mints_cost_no_memory():
    market = Market(mints=1_000_000)
    ids = np.concatenate([np.arange(0, 1_000_000, 10_000, dtype=np.uint64), market.universe.newest(NOW_S, 30)])
    mints = market.universe.mints(ids)
    assert market.universe.find(mints, NOW_S) == ids.tolist()
    market.observe(ids, NOW_S)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000


@pytest.mark.usefixtures("traced")
def test_a_list_of_a_million_costs_little_more_than_its_bytes():
    listing = Listing(Market(mints=1_000_000), NOW_S)
    listing.extend(NOW_S)
    assert len(listing) == 1_000_000
    assert 45_000_000 < len(listing.plain()) < 48_000_000
    assert tracemalloc.get_traced_memory()[1] < 1.6 * len(listing.plain())
