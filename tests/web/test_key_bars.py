"""The bars of a key's use, and the words that say the same."""

from mixus.keys.overview import KeyUse
from mixus.server.web import key_bars


def test_one_request_is_seen_beside_thousands() -> None:
    bars = key_bars.bars_of(KeyUse([1, 0, 9000], [0, 0, 0], []), 1)
    assert bars.accepted == "M2 24v-2M12 24v-24"
    assert bars.refused == ""
    assert bars.words == "9,001 requests in 3 days"


def test_what_was_refused_stands_on_top() -> None:
    bars = key_bars.bars_of(KeyUse([3], [1], []), 1)
    assert (bars.accepted, bars.refused) == ("M2 24v-18", "M2 6v-6")
    assert bars.words == "3 requests in 1 day, 1 more refused"


def test_several_days_are_one_bar_and_no_use_is_none() -> None:
    assert key_bars.bars_of(KeyUse([1, 2, 3, 6, 0, 0], [0] * 6, []), 3).accepted == "M2 24v-24M7 24v-24"
    assert key_bars.bars_of(KeyUse([0] * 6, [0] * 6, []), 3).is_empty
