"""The service as a real process: what an admin sees of it."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mixus.client import Client
from mixus.core.database import with_driver

MIXUS = (sys.executable, "-m", "mixus.cli.main")
READY = re.compile(r"mixus serves (http://127\.0\.0\.1:(\d+)) \(model rehearsal\)\n")
Start = Callable[..., subprocess.Popen[str]]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
    return {name: value for name, value in kept.items() if not name.endswith("_API_KEY")} | variables


def refused(*arguments: str, **variables: str) -> str:
    """Standard error of a command that must end with exit code 1 and nothing on standard output."""
    done = subprocess.run(
        [*MIXUS, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def start(*options: str, **variables: str) -> subprocess.Popen[str]:
        arguments = ["serve", "--port", "0", "--data", str(tmp_path / "data"), *options]
        process = subprocess.Popen(
            [*MIXUS, *arguments],
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    readable, _, _ = select.select([process.stdout], [], [], 60)
    line = process.stdout.readline() if readable else ""
    ready = READY.fullmatch(line)
    assert ready is not None, line or process.stderr.read()
    return ready[1]


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it says after its first line until it ends."""
    assert process.stdout is not None
    assert process.stderr is not None
    said, errors = process.stdout.read(), process.stderr.read()
    process.wait(timeout=20)
    return said, errors


def healthy(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        return bool(answer.status == 200)


def test_port_0_takes_a_free_port_and_the_first_start_says_how_to_go_on(start: Start) -> None:
    process = start()
    url = address(process)
    assert healthy(url)
    process.terminate()
    said, _ = ended(process)
    assert "mixus user create" in said
    assert "mixus keys create" in said
    assert re.search(rf"{re.escape(url)}/join/[\w-]{{43}}\n", said)


def test_the_first_link_has_the_address_that_people_use(start: Start) -> None:
    process = start(MIXUS_PUBLIC_URL="https://mixus.example.org/")
    address(process)
    process.terminate()
    said, errors = ended(process)
    link = re.search(r"https://mixus\.example\.org/join/([\w-]{43})\n", said)
    assert link is not None
    assert link[1] not in errors


def test_the_first_link_opens_a_page_and_its_token_reaches_no_log(start: Start) -> None:
    process = start()
    address(process)
    assert process.stdout is not None
    link = next(line.strip() for line in process.stdout if "/join/" in line)
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert "Make the first account" in answer.read().decode()
    process.terminate()
    said, errors = ended(process)
    assert link.rpartition("/")[2] not in said + errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order_although_a_connection_stays_open(
    start: Start, number: signal.Signals
) -> None:
    process = start()
    port = int(address(process).rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_second_server_on_the_same_data_is_refused(start: Start, tmp_path: Path) -> None:
    address(start())
    errors = refused("serve", "--port", "0", "--data", str(tmp_path / "data"))
    assert "Another mixus serves the data" in errors


def test_the_data_are_free_again_after_a_kill(start: Start) -> None:
    first = start()
    address(first)
    first.kill()
    first.wait()
    assert healthy(address(start()))


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        errors = refused("serve", "--port", port, "--data", str(tmp_path))
    assert errors.count("\n") == 1
    assert f"port {port}" in errors


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    errors = refused("serve", "--data", str(tmp_path), MIXUS_PUBLIC_URL="mixus.example.org")
    assert errors == "MIXUS_PUBLIC_URL is not valid: must start with http:// or https://.\n"


def test_an_unknown_variable_and_an_unused_provider_key_are_said(start: Start) -> None:
    process = start(MIXUS_MODLE="rehearsal", OPENAI_API_KEY="made-up")
    address(process)
    process.terminate()
    said, errors = ended(process)
    assert "MIXUS_MODLE is no setting" in errors
    assert "nothing is spent" in said
    assert "made-up" not in said + errors


def test_a_worker_alone_needs_postgres(tmp_path: Path) -> None:
    assert "needs Postgres" in refused("worker", "--data", str(tmp_path))


def test_it_stops_within_seconds_while_clients_wait(start: Start, tmp_path: Path) -> None:
    process = start()
    url = address(process)
    with Client(make_key(tmp_path / "data"), url, max_retries=0) as client:
        task = client.create_task_agent("Add 2 and 3, then e-mail the result to pay@example.org.")
        status = client.wait(task.execution_id, timeout_seconds=30)
        assert status.is_awaiting
        with ThreadPoolExecutor() as pool:
            waiting: list[Future[Any]] = [
                pool.submit(client.status, task.execution_id, wait_ms=30_000, since=status.version),
                pool.submit(list, client.events(task.execution_id)),
            ]
            assert not any(future.done() for future in waiting)
            process.terminate()
            _, errors = process.communicate(timeout=10)
            for future in waiting:
                future.exception()
    assert (process.returncode, errors) == (0, "")


def test_a_postgres_database_is_upgraded_by_command_only(postgres_server: str, worker_id: str) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database serve_{worker_id}".encode())
    url = with_driver(postgres_server).set(database=f"serve_{worker_id}")
    shared = {"MIXUS_DATABASE_URL": url.render_as_string(hide_password=False)}
    assert "mixus db upgrade" in refused("db", "check", **shared)
    assert "mixus db upgrade" in refused("worker", **shared)
    subprocess.run([*MIXUS, "db", "upgrade"], env=environment(**shared), check=True, timeout=60)
    subprocess.run([*MIXUS, "db", "check"], env=environment(**shared), check=True, timeout=60)


def make_key(data: Path) -> str:
    """By the commands, as an admin does it."""
    made = environment(MIXUS_DATA=str(data))
    subprocess.run(
        [*MIXUS, "user", "create", "ada@example.org"], env=made, capture_output=True, check=True, timeout=60
    )
    options = ("--user", "ada@example.org", "--name", "test", "--scope", "eval:manage")
    key = subprocess.run(
        [*MIXUS, "keys", "create", *options],
        env=made,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return key.stdout.strip()


def test_a_default_model_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    assert "OPENAI_API_KEY" in refused("serve", "--port", "0", "--data", data, MIXUS_MODEL="openai:gpt-4o")
    assert "provider:name" in refused("serve", "--port", "0", "--data", data, MIXUS_MODEL="nonsense")
