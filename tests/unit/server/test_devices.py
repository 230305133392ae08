"""What a browser calls itself, in words."""

import pytest

from mixus.server.web.devices import UNKNOWN, device

APPLE = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC, IPHONE = "Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 18_5 like Mac OS X"
WINDOWS, PIXEL = "Windows NT 10.0; Win64; x64", "Linux; Android 15; Pixel 9"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (f"Mozilla/5.0 ({WINDOWS}; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        (f"{APPLE.format(WINDOWS)} Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{APPLE.format(WINDOWS)} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        (f"{APPLE.format(MAC)} Version/18.5 Safari/605.1.15", "Safari on macOS"),
        (f"{APPLE.format(MAC)} Chrome/140.0.0.0 Safari/537.36 OPR/120.0", "Opera on macOS"),
        (f"{APPLE.format(IPHONE)} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{APPLE.format(IPHONE)} CriOS/140.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{APPLE.format(PIXEL)} Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("a browser", "a browser"),
        ("x" * 200, "x" * 40),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_device_is_named_as_its_owner_would(agent: str | None, words: str) -> None:
    assert device(agent) == words
