import numpy as np
import pytest

from enrichment.sandbox.chance import Chance
from enrichment.sandbox.launches import EPOCH_S, PER_DAY, Launches

NOW_S = 1_795_000_000.25
DAY_S = 86_400


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_counting_and_dating_launches_agree(speed):
    launches = Launches(Chance(3), speed)
    count = launches.count(NOW_S)
    numbers = np.array([0, 1, 255, 256, count // 3, count - 257, count - 1, count], dtype=np.uint64)
    for number, at_s in zip(numbers.tolist(), launches.real(launches.born(numbers)).tolist(), strict=True):
        assert launches.count(at_s - 0.001) <= number < launches.count(at_s + 0.001)


def test_launches_are_dated_in_their_order():
    born = Launches(Chance(3)).born(np.arange(8_000_000, 8_002_000, dtype=np.uint64))
    assert (np.diff(born) >= 0).all()


def test_a_day_brings_25_000_with_a_wave_of_2_7():
    launches = Launches(Chance(3))
    midnight = EPOCH_S + 100 * DAY_S
    hours = np.diff([launches.count(midnight + hour * 3_600) for hour in range(25)])
    assert hours.sum() == pytest.approx(PER_DAY, rel=0.02)
    assert hours.max() / hours.min() == pytest.approx(2.7, rel=0.2)
    assert 15 <= int(hours.argmax()) <= 20


def test_launches_come_in_bursts_as_independent_events_do():
    counts = [Launches(Chance(3)).count(NOW_S + 60 * minute) for minute in range(1_441)]
    assert 0.7 < np.diff(counts).var() / np.diff(counts).mean() < 3


def test_a_faster_market_launches_more():
    per_hour = [Launches(Chance(3), speed).count(EPOCH_S + 86_400) for speed in (1, 10)]
    assert per_hour[1] / per_hour[0] == pytest.approx(10, rel=0.05)


def test_nothing_was_launched_before_the_epoch():
    assert Launches(Chance(3)).count(EPOCH_S - 1) == 0
