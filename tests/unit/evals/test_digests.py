"""The digest that binds an approval to one call."""

from mixus.evals.digests import digest


def test_a_digest_says_nothing_of_the_order_of_members() -> None:
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
    assert digest("a", {"x": 1}) != digest("a", {"x": "1"})
    assert digest("a", {"x": 1}) != digest("b", {"x": 1})
