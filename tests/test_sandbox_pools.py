from itertools import pairwise

import numpy as np
import pytest

from enrichment.sandbox.candles import Span, candles
from enrichment.sandbox.curve import LAST_TOKENS, reserves_of
from enrichment.sandbox.market import Lens, Market
from enrichment.sandbox.pools import CURVE, MAIN, OTHERS, WIDEST_SPREAD, Pools, pools_of, primary_of

NOW_S = 1_795_000_000.25
BASE = np.arange(3_000, dtype=np.uint64)


def look(market: Market, ids: np.ndarray, now_s: float = NOW_S) -> Pools:
    return pools_of(market, market.observe(ids, now_s), now_s)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=5)


@pytest.fixture(scope="module")
def pools(market) -> Pools:
    return look(market, BASE)


def test_a_traded_token_has_one_to_five_honest_pools(market, pools):
    honest = pools.at(~pools.is_poisoned)
    counts = np.bincount(honest.token, minlength=len(BASE))
    assert set(counts[market.observe(BASE, NOW_S).is_priced]) == {1, 2, 3, 4, 5}
    assert 0.3 < (counts[counts > 0] <= 2).mean() < 0.7  # a curve and the pool it led to, most often


def test_honest_pools_agree_within_the_spread_and_move_together(market, pools):
    sight = market.observe(BASE, NOW_S)
    off = np.abs(np.log(pools.price_usd[0] / sight.price_usd[0][pools.token]))
    is_forgotten = (pools.trades.max(axis=0) == 0) & (pools.places >= OTHERS[0])
    living = ~pools.is_poisoned & ~is_forgotten
    assert off[living].max() <= WIDEST_SPREAD
    assert np.median(off[living & (pools.places == MAIN)]) < 0.002
    later = look(market, BASE, NOW_S + 60)
    both = np.isin(pools.ids * 8 + pools.places, later.ids * 8 + later.places) & living
    same = np.isin(later.ids * 8 + later.places, (pools.ids * 8 + pools.places)[both])
    moved = later.price_usd[0][same] / pools.price_usd[0][both]
    market_moved = market.observe(BASE, NOW_S + 60).price_usd[0] / sight.price_usd[0]
    assert moved == pytest.approx(market_moved[pools.token[both]])


def test_pools_share_the_depth_and_the_trades_of_their_token(market, pools):
    sight = market.observe(BASE, NOW_S)
    honest = pools.at(~pools.is_poisoned)
    depth = np.bincount(honest.token, honest.liquidity_usd, minlength=len(BASE))
    assert (depth <= 1.001 * sight.liquidity_usd[0]).all()
    trades = np.bincount(honest.token, honest.trades[3], minlength=len(BASE))
    seen = depth > 0
    assert (trades[seen] <= sight.trades_in(3)[seen] + 5).all()
    assert trades[seen].sum() == pytest.approx(sight.trades_in(3)[seen].sum(), rel=0.05)


def test_a_few_pools_are_poisoned_and_all_are_when_told_so(market, pools):
    bad = pools.at(pools.is_poisoned)
    assert 0 < len(bad.ids) < 0.01 * len(pools.ids)
    assert bad.liquidity_usd.min() >= 1e7
    assert bad.trades.max() <= 3
    sick = look(market.through(Lens(is_poisoned=True)), BASE[3:100])
    assert primary_of(sick).is_poisoned.all()


def test_forgotten_pools_keep_another_price_and_nobody_trades_there(market, pools):
    off = np.abs(np.log(pools.price_usd[0] / market.observe(BASE, NOW_S).price_usd[0][pools.token]))
    far = pools.at((off > 0.05) & ~pools.is_poisoned)
    assert 5 < len(far.ids) < 150
    assert (far.trades == 0).all()
    assert far.liquidity_usd.max() < 100_000


def test_a_pools_address_leads_back_to_it(market, pools):
    addresses = market.universe.addresses(pools.ids, pools.places)
    assert len(set(addresses)) == len(addresses)
    assert not any(address.endswith(("pump", "bonk")) for address in addresses[:500])
    found = market.universe.find_addresses([*addresses[:50], "nonsense", *market.universe.mints(BASE[:5])], NOW_S)
    assert found == list(zip(pools.ids[:50].tolist(), pools.places[:50].tolist(), strict=True))
    assert Market(seed=6).universe.find_addresses(addresses[:50], NOW_S) == []


def test_one_launch_in_a_hundred_graduates_to_a_pool_of_its_own(market):
    ids = market.universe.newest(NOW_S, 40_000)
    traits = market.traits(ids)
    assert np.isfinite(traits.graduated_s[traits.is_curve]).mean() == pytest.approx(0.01, abs=0.002)
    assert not np.isfinite(traits.graduated_s[~traits.is_curve]).any()
    assert market.graduates(NOW_S, 40_000).tolist() == ids[traits.graduated_s <= NOW_S].tolist()


def test_graduation_moves_a_token_from_its_curve_to_its_pool(market):
    ids = market.graduates(NOW_S, 30_000)[:50]
    graduated_s = market.observe(ids, NOW_S).traits.graduated_s
    for token, at_s in zip(ids, graduated_s.tolist(), strict=True):
        before, after = (look(market, np.array([token]), at_s + step) for step in (-0.5, 0.5))
        assert MAIN not in before.places
        assert {CURVE, MAIN} <= set(after.places.tolist())
        main, curve = after.at(after.places == MAIN), after.at(after.places == CURVE)
        assert main.born_s == at_s
        assert main.liquidity_usd > 10 * curve.liquidity_usd


def test_a_graduate_has_climbed_and_is_traded(market):
    ids = market.graduates(NOW_S, 30_000)[:50]
    traits = market.observe(ids, NOW_S).traits
    rise = [
        market.observe(ids[place : place + 1], at_s).price_usd[0][0] / traits.start_usd[place]
        for place, at_s in enumerate(traits.graduated_s.tolist())
    ]
    at_birth = [
        market.observe(ids[place : place + 1], at_s + 1e-3).price_usd[0][0] / traits.start_usd[place]
        for place, at_s in enumerate(traits.born_s.tolist())
    ]
    assert np.median(np.array(rise) / at_birth) > 3
    assert (market.observe(ids, NOW_S).trades[0] > 50).mean() > 0.9


def test_no_token_worth_more_than_a_curve_holds_is_still_on_one(market):
    sight = market.observe(BASE, NOW_S)
    on_curve = sight.traits.is_curve & (sight.traits.graduated_s > NOW_S)
    assert on_curve.any()
    assert (sight.traits.start_usd * sight.traits.circulating)[on_curve].max() < 33_000


@pytest.mark.parametrize("price_sol", [1e-12, 2.796e-8, 1e-7, 4.1e-7, 1.0])
def test_a_curve_holds_what_its_price_says(price_sol):
    reserves = reserves_of(np.array([price_sol]), is_sold_out=np.array([False]))
    assert 30e9 <= reserves.sol[0] < 115.01e9
    assert LAST_TOKENS < reserves.tokens[0] <= 1.073e15
    assert 0 <= reserves.progress_pct[0] < 100
    if 2.8e-8 < price_sol < 4e-7:
        assert reserves.sol[0] / reserves.tokens[0] / 1e3 == pytest.approx(price_sol)
    sold_out = reserves_of(np.array([price_sol]), is_sold_out=np.array([True]))
    assert (sold_out.sol[0], sold_out.tokens[0], sold_out.progress_pct[0]) == (
        115_005_359_057,
        279_900_000_000_000,
        100,
    )


def test_candles_join_and_end_at_the_present_price(market, pools):
    busy = pools.at((pools.token == 10) & (pools.places == MAIN))
    rows = candles(market, busy, NOW_S, Span(60, 100, NOW_S), in_quote=False)
    assert len(rows) > 90
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    assert rows[0][4] == pytest.approx(busy.price_usd[0][0])
    for newer, older in pairwise(rows):
        if newer[0] == older[0] + 60:
            assert newer[1] == pytest.approx(older[4])
    assert all(low <= min(start, end) <= max(start, end) <= high for _, start, high, low, end, _ in rows)
    assert candles(market, busy, NOW_S, Span(60, 20, rows[9][0]), in_quote=False) == rows[10:30]
    in_sol = candles(market, busy, NOW_S, Span(60, 1, NOW_S), in_quote=True)
    assert in_sol[0][4] == pytest.approx(busy.price_usd[0][0] / busy.quote_usd[0])


def test_a_quiet_pool_has_gaps_between_its_candles(market, pools):
    quiet = pools.at((pools.token > 1_500) & (pools.places == MAIN) & (pools.trades[3] > 2))
    rows = candles(market, quiet.at(np.array([0])), NOW_S, Span(60, 500, NOW_S), in_quote=False)
    assert 0 < len(rows) < 500
    assert all(volume > 0 for *_, volume in rows)


@pytest.mark.parametrize("speed", [0.01, 1.0, 1_000.0])
def test_every_pool_is_finite_at_any_speed(speed):
    market = Market(speed=speed)
    ids = np.concatenate([BASE[:500], market.universe.newest(NOW_S, 500)])
    pools = look(market, ids)
    for numbers in (pools.price_usd, pools.liquidity_usd, pools.quote_usd):
        assert np.isfinite(numbers).all()
        assert (numbers > 0).all()
    assert (pools.born_s <= NOW_S).all()


def test_a_tokens_pools_do_not_depend_on_who_else_is_asked_about(pools):
    one, here = look(Market(seed=5), BASE[7:8]), pools.at(pools.ids == 7)
    assert np.array_equal(one.price_usd, here.price_usd)
    assert np.array_equal(one.places, here.places)
