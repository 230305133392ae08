"""A hundred requests in any minute: exactly, over eight processes, whatever the answers are."""

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from attacks.fleet import Fleet
from attacks.people import Key
from attacks.raw import SELF
from factories import UNKNOWN_KEY
from httpx2 import Client, Response

from mixus.accounts.principal import Scope

# RFC 8941: a list of one item, a string, with integer parameters.
POLICY = re.compile(r'"default";q=100;w=60')
LEFT = re.compile(r'"default";r=(0|[1-9]\d{0,14});t=(0|[1-9]\d{0,14})')
PARALLEL = 24


def burst(fleet: Fleet, keys: list[Key], count: int) -> list[Response]:
    """So many requests at once, spread over all servers and these keys in turn."""
    servers, turns = cycle(fleet.servers), cycle(keys)
    calls = [(next(servers), next(turns)) for _ in range(count)]
    with ThreadPoolExecutor(PARALLEL) as threads:
        return list(threads.map(lambda call: call[0].get(SELF, headers=call[1].headers), calls))


def left(answer: Response) -> tuple[int, int]:
    """What remains, and the seconds until more does; fails where the grammar is not that of the standard."""
    assert POLICY.fullmatch(answer.headers["ratelimit-policy"])
    found = LEFT.fullmatch(answer.headers["ratelimit"])
    assert found is not None
    return int(found[1]), int(found[2])


def test_of_150_parallel_requests_over_eight_processes_exactly_100_pass(fleet: Fleet) -> None:
    answers = burst(fleet, [fleet.office.key()], 150)
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(passed), len(refused)) == (100, 50)
    assert sorted(left(answer)[0] for answer in passed) == list(range(100))
    for answer in refused:
        remaining, seconds = left(answer)
        assert remaining == 0
        assert 1 <= seconds <= 60
        assert answer.headers["retry-after"] == str(seconds)
        assert answer.json()["code"] == "rate-limited"


def test_a_rotated_pair_shares_its_hundred_over_eight_processes(fleet: Fleet) -> None:
    old = fleet.office.key()
    new = fleet.office.rotate(old.id)
    answers = burst(fleet, [old, new, new], 120)
    assert sorted(answer.status_code for answer in answers) == [200] * 100 + [429] * 20


def test_two_keys_of_one_person_have_a_hundred_each(fleet: Fleet) -> None:
    owner = fleet.office.person()
    answers = burst(fleet, [fleet.office.key(owner), fleet.office.key(owner)], 200)
    assert {answer.status_code for answer in answers} == {200}


def test_refused_requests_do_not_lengthen_the_wait_in_any_process(fleet: Fleet) -> None:
    key = fleet.office.key()
    burst(fleet, [key], 100)
    waits = [left(answer)[1] for answer in burst(fleet, [key], 80)]
    assert max(waits) <= 60
    assert waits[-1] <= waits[0]
    assert left(fleet.servers[0].get(SELF, headers=key.headers))[1] <= min(waits)


def test_what_is_refused_before_the_key_is_known_counts_for_no_key(fleet: Fleet) -> None:
    key = fleet.office.key()
    for server in fleet.servers:
        for headers in (
            {},
            {"Authorization": f"Bearer {UNKNOWN_KEY}"},
            {"Authorization": f"Bearer {key.secret[:-1]}"},
            {"Authorization": key.secret},
            {"Authorization": f'Bearer "{key.secret}"'},
        ):
            answer = server.get(SELF, headers=headers)
            assert answer.status_code == 401
            assert "ratelimit" not in answer.headers
        twice = server.get(SELF, headers=[*key.headers.items(), *key.headers.items()])
        assert twice.status_code == 400
        assert "ratelimit" not in twice.headers
    assert left(fleet.servers[0].get(SELF, headers=key.headers))[0] == 99


def test_a_key_that_is_over_is_not_counted(fleet: Fleet) -> None:
    key = fleet.office.key()
    new = fleet.office.rotate(key.id)
    fleet.office.revoke(key.id)
    for server in fleet.servers:
        assert server.get(SELF, headers=key.headers).status_code == 401
    assert left(fleet.servers[0].get(SELF, headers=new.headers))[0] == 99


def test_no_way_of_writing_a_key_gets_another_hundred(fleet: Fleet) -> None:
    key = fleet.office.key()
    schemes = ("Bearer ", "bearer ", "BEARER ", "Bearer  ", "bEaReR    ")
    for number, scheme in enumerate(schemes):
        answer = fleet.servers[number].get(SELF, headers={"Authorization": f"{scheme}{key.secret}"})
        assert left(answer)[0] == 99 - number
    for path in (f"{SELF}?x=1", "/api/keys/self/", "/api/nothing"):
        left(fleet.servers[0].get(path, headers=key.headers))
    assert left(fleet.servers[0].get(SELF, headers=key.headers))[0] == 99 - 8


def test_every_kind_of_answer_to_a_key_tells_what_is_left(fleet: Fleet) -> None:
    key = fleet.office.key()
    reader = fleet.office.key(scopes=[Scope.READ])
    server = fleet.servers[0]
    for number, (status, answer) in enumerate(answers_of_every_kind(server, key)):
        assert answer.status_code == status, answer.text
        assert left(answer)[0] == 99 - number
        assert answer.headers["mxs-key-expires-at"]
    forbidden = server.delete("/api/eval/executions/exe_0000000000000000000000", headers=reader.headers)
    assert (forbidden.status_code, left(forbidden)[0]) == (403, 99)
    assert forbidden.headers["mxs-key-expires-at"]
    burst(fleet, [key], 100)
    limited = server.get(SELF, headers=key.headers)
    assert (limited.status_code, left(limited)[0]) == (429, 0)
    assert limited.headers["mxs-key-expires-at"]


def answers_of_every_kind(server: Client, key: Key) -> list[tuple[int, Response]]:
    create, execution = "/api/eval/create-task-agent", "/api/eval/executions/exe_0000000000000000000000"
    task = {"taskDescription": "Calculate 15 % of 50,000"}
    once = key.headers | {"Idempotency-Key": "once"}
    text = key.headers | {"Content-Type": "text/plain"}
    broken = key.headers | {"Content-Type": "application/json"}
    return [
        (200, server.get(SELF, headers=key.headers)),
        (405, server.head(SELF, headers=key.headers)),
        (201, server.post(create, headers=once, json=task)),
        (409, server.post(create, headers=once, json=task | {"taskName": "another"})),
        (400, server.post(create, headers=broken, content=b"{")),
        (403, server.get("/api/keys", headers=key.headers)),
        (404, server.get(execution + "/trace", headers=key.headers)),
        (405, server.put(execution, headers=key.headers, json={})),
        (413, server.post(create, headers=key.headers, json={"taskDescription": "x" * 2_000_000})),
        (415, server.post(create, headers=text, content=b"{}")),
        (422, server.post(create, headers=key.headers, json={})),
    ]


def test_refusals_of_one_user_take_nothing_from_another(fleet: Fleet) -> None:
    greedy, modest = fleet.office.key(), fleet.office.key()
    burst(fleet, [greedy], 150)
    assert {answer.status_code for answer in burst(fleet, [modest], 20)} == {200}


def test_a_hundred_is_never_refused_early_though_processes_share_it_unevenly(fleet: Fleet) -> None:
    key = fleet.office.key()
    statuses = [fleet.servers[0].get(SELF, headers=key.headers).status_code for _ in range(99)]
    assert set(statuses) == {200}
    others = [server.get(SELF, headers=key.headers).status_code for server in fleet.servers[1:]]
    assert sorted(others) == [200] + [429] * 6
