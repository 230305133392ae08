"""Whatever an agent asks for, connected to is a listed host at an address that was checked, and no other."""

import asyncio
import gzip
import shutil
import ssl
import subprocess
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import cycle
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from website import Website, page, redirect, watched_connections, website

from mixus.agents.tools import addresses, outbound
from mixus.agents.tools.outbound import MAX_BYTES, Answer, Gateway, Outgoing, aim
from mixus.agents.tools.registry import ToolFailed
from mixus.core.hosts import ListedHost, canonical, parse_hosts
from mixus.core.settings import Settings

PUBLIC = "93.184.215.14"


class Names:
    """A resolver that gives the answers of a name in turn, and keeps who was asked for."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): cycle(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such name")
        return next(self.answers[host])


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as made:
        yield made


def gateway(listed: str, names: Names | None = None, seconds: float = 20.0) -> Gateway:
    return Gateway(parse_hosts(listed), names or Names(), seconds=seconds)


def get(way: Gateway, url: str) -> Answer:
    return asyncio.run(outbound.fetch(way, url, {}))


def refusal(way: Gateway, url: str) -> str:
    """Why it is refused; fails when anybody is connected to or looked up."""
    with watched_connections() as connections, pytest.raises(ToolFailed) as refused:
        get(way, url)
    assert connections == []
    return str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254"),  # noqa: S104 - refused
        *("169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"),
        *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
        *("239.255.255.255", "240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::93.184.215.14", "fe80::1", "fec0::1"),
        *("fc00::1", "fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1"),
        *("2002:5db8:d70e::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::5db8:d70e", "100::1"),
        *("5f00::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:7f00:1", "4000::1", "::ffff:0:5db8:d70e"),
    ],
)
def test_an_address_that_is_not_on_the_public_internet_is_not_reached(address: str) -> None:
    assert not addresses.is_public(ip_address(address))
    names = Names(evil_example_org=[[address]])
    assert "not public" in refusal(gateway("*", names), "http://evil.example.org/")
    host = f"[{address}]" if ":" in address else address
    assert "not public" in refusal(gateway("*"), f"http://{host}/")


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "64:ff9b::5db8:d70e"])
def test_a_public_address_is_known_as_one(address: str) -> None:
    assert addresses.is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_no_ipv6_address_hides_an_ipv4_address_that_would_be_refused(inner: IPv4Address) -> None:
    low = int(inner)
    hidden = [
        IPv6Address(low),
        IPv6Address(0xFFFF << 32 | low),
        IPv6Address(0xFFFF << 48 | low),
        IPv6Address(0x2002 << 112 | low << 80),
        IPv6Address((0x64 << 112) | (0xFF9B << 96) | low),
        IPv6Address((0x2606 << 112) | (0x5EFE << 32) | low),
        IPv6Address((0x20010000 << 96) | low),
    ]
    if not addresses.is_public(inner):
        assert not any(addresses.is_public(address) for address in hidden)


@given(st.ip_addresses())
def test_what_python_knows_to_be_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert not addresses.is_public(address)


@pytest.mark.parametrize("mixed", [[PUBLIC, "127.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "::1"]])
def test_a_name_with_one_private_answer_among_public_ones_is_refused_whole(mixed: list[str]) -> None:
    assert "not public" in refusal(
        gateway("*", Names(mixed_example_org=[mixed])), "http://mixed.example.org/"
    )


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
        ),
        *("http://127.0.0.1.0x1/", "http://①②⑦.0.0.1/", "http://1e10.256/", "http:///path", "http://"),
        *(
            "http://example.org\\@127.0.0.1/",
            "http://exa mple.org/",
            "http://ex%61mple.org/",
            "//example.org/",
        ),
        *("http://example.org\r\nHost: x/", "http://[::1/", "http://[fe80::1%25eth0]/", "http://a..example/"),
        *(
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "data:text/plain,x",
            "example.org",
        ),
        *("http://user:secret@example.org/", "http://example.org@127.0.0.1/", "http://example.org:8080/"),
        *("http://example.org:0/", "http://[2606:4700::1%25lo]/"),
        *("http://example.org:22/", "http://example.org:99999/", "http://example.org:-1/", ""),
    ],
)
def test_a_url_that_is_not_plainly_of_a_public_host_is_refused(url: str) -> None:
    sentence = refusal(gateway("*", Names(example_org=[["127.0.0.1"]])), url)
    assert "secret" not in sentence
    assert "not public" not in sentence or "eth0" in url


@pytest.mark.parametrize(
    ("listed", "url", "is_listed"),
    [
        ("example.org", "http://example.org/", True),
        ("example.org", "https://EXAMPLE.org./", True),
        ("example.org", "http://www.example.org/", False),
        ("example.org", "http://example.org.evil.example/", False),
        ("*.example.org", "https://a.b.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "https://evilexample.org/", False),
        ("example.org:8443", "https://example.org:8443/", True),
        ("example.org:8443", "https://example.org/", False),
        ("*.example.org:8443", "https://a.example.org:8443/", True),
        ("a.example, b.example", "http://b.example/", True),
        ("*", "https://anything.example/", True),
        ("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", True),
        ("xn--bcher-kva.example", "https://bücher.example/", True),
        ("", "https://example.org/", False),
    ],
)
def test_only_listed_hosts_at_listed_ports_are_reached(listed: str, url: str, *, is_listed: bool) -> None:
    if is_listed:
        aim(parse_hosts(listed), url)
    else:
        with pytest.raises(ToolFailed, match="not among the hosts"):
            aim(parse_hosts(listed), url)


def test_a_private_host_is_reached_only_where_an_admin_named_host_and_port(site: Website) -> None:
    site.answers["/"] = page(b"inside")
    url = site.url()
    assert get(gateway(f"127.0.0.1:{site.port}"), url).content == b"inside"
    assert "not public" in refusal(gateway(f"*:{site.port}"), url)
    names = Names(db_example_org=[["127.0.0.1"]])
    assert "not public" in refusal(
        gateway(f"*.example.org:{site.port}", names), site.url(host="db.example.org")
    )
    assert "not public" in refusal(gateway("db.example.org", names), "http://db.example.org/")
    assert site.connections == 1


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "224.0.0.1", "0.1.2.3"]
)
def test_no_setting_reaches_the_metadata_of_a_cloud(address: str) -> None:
    names = Names(meta_example_org=[[address]])
    assert "not public" in refusal(gateway("meta.example.org:80", names), "http://meta.example.org/")


def test_the_address_that_was_checked_is_connected_to_and_the_name_is_looked_up_once(site: Website) -> None:
    """The second answer of the name would lead elsewhere: DNS rebinding finds nobody who asks again."""
    site.answers["/pinned?x=1"] = page(b"pinned")
    names = Names(shop_example_org=[["127.0.0.1"], ["10.0.0.1"]])
    with watched_connections() as connections:
        answer = get(
            gateway(f"shop.example.org:{site.port}", names), site.url("/pinned?x=1", "shop.example.org")
        )
    assert answer.content == b"pinned"
    assert connections == [f"127.0.0.1:{site.port}"]
    assert names.asked == ["shop.example.org"]
    [received] = site.received
    assert received.headers["Host"] == f"shop.example.org:{site.port}"


def test_a_redirect_is_followed_where_it_may_go(site: Website) -> None:
    site.answers |= {"/a": redirect("/b"), "/b": redirect(site.url("/c"), "308 Permanent Redirect")}
    site.answers["/c"] = page(b"there")
    answer = get(gateway(f"127.0.0.1:{site.port}"), site.url("/a"))
    assert (answer.content, answer.url) == (b"there", site.url("/c"))


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://10.0.0.1/", "not among the hosts"),
        ("http://169.254.169.254/latest/meta-data/", "not among the hosts"),
        ("http://inner.example.org/", "not public"),
        ("//inner.example.org/", "not public"),
        ("file:///etc/passwd", "cannot be read"),
        ("ftp://inner.example.org/", "must start with"),
        ("http://user:secret@inner.example.org/", "no password"),
        ("http://[::1", "no URL"),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(site: Website, location: str, reason: str) -> None:
    site.answers["/"] = redirect(location)
    names = Names(inner_example_org=[["10.0.0.1"]])
    with watched_connections() as connections, pytest.raises(ToolFailed, match=reason):
        get(gateway(f"127.0.0.1:{site.port}, *.example.org", names), site.url())
    assert connections == [f"127.0.0.1:{site.port}"]


def test_the_port_of_another_service_is_not_reached_by_a_redirect(site: Website) -> None:
    with website() as other:
        site.answers["/"] = redirect(other.url("/admin"))
        with pytest.raises(ToolFailed, match="not among the hosts"):
            get(gateway(f"127.0.0.1:{site.port}"), site.url())
        assert other.connections == 0


def test_no_more_than_five_redirects_are_followed(site: Website) -> None:
    site.answers |= {f"/{number}": redirect(f"/{number + 1}") for number in range(10)}
    with pytest.raises(ToolFailed, match="no more than 5"):
        get(gateway(f"127.0.0.1:{site.port}"), site.url("/0"))
    assert [received.target for received in site.received] == [f"/{number}" for number in range(6)]


def test_no_cookie_is_kept_between_requests(site: Website) -> None:
    site.answers["/"] = page(b"", "Set-Cookie: id=1; Path=/", "Location: /next", status="302 Found")
    site.answers["/next"] = page(b"next")
    get(gateway(f"127.0.0.1:{site.port}"), site.url())
    assert [received.headers["Cookie"] for received in site.received] == [None, None]


def test_proxies_and_passwords_of_the_environment_are_not_used(
    site: Website, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.answers["/"] = page(b"direct")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with website() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert get(gateway(f"127.0.0.1:{site.port}"), site.url()).content == b"direct"
        assert proxy.connections == 0
    assert site.received[0].headers["Authorization"] is None


@pytest.mark.parametrize("encoding", ["", "Content-Encoding: gzip"])
def test_no_more_than_the_bound_is_kept_of_a_body(site: Website, encoding: str) -> None:
    whole = b"x" * (MAX_BYTES + 1)
    body = gzip.compress(whole) if encoding else whole
    site.answers["/"] = page(body, *filter(None, [encoding]))
    answer = get(gateway(f"127.0.0.1:{site.port}"), site.url())
    assert (len(answer.content), answer.is_cut) == (MAX_BYTES, True)


def test_a_gzip_bomb_is_stopped_before_it_fills_the_memory(site: Website) -> None:
    """A few KB of it become 64 MiB in one step, and it has no end."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\n"
    start = squeeze.compress(b"") + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(bytes(64 * MAX_BYTES)) + squeeze.flush(zlib.Z_FULL_FLUSH)

    def bomb() -> Iterable[bytes]:
        yield head + start
        while not site.done.is_set():
            yield block

    site.answers["/"] = bomb
    tracemalloc.start()
    answer = get(gateway(f"127.0.0.1:{site.port}"), site.url())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(answer.content), answer.is_cut) == (MAX_BYTES, True)
    assert most < 16 * MAX_BYTES


@pytest.mark.parametrize(
    ("encoding", "content"), [("gzip", b"not gzip at all"), ("br", b"x"), ("gzip, gzip", b"x")]
)
def test_what_cannot_be_unpacked_is_not_taken_for_the_content(
    site: Website, encoding: str, content: bytes
) -> None:
    site.answers["/"] = page(content, f"Content-Encoding: {encoding}")
    answer = get(gateway(f"127.0.0.1:{site.port}"), site.url())
    assert (answer.content, answer.is_cut) == (b"", True)


def test_a_body_that_drips_ends_with_the_time_it_has(site: Website) -> None:
    def drip() -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
        while not site.done.wait(0.02):
            yield b"."

    site.answers["/"] = drip
    with pytest.raises(ToolFailed, match=r"within 0\.3 seconds"):
        get(gateway(f"127.0.0.1:{site.port}", seconds=0.3), site.url())


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_an_answer_that_is_cut_or_not_http_is_a_clear_failure(site: Website, answer: bytes) -> None:
    site.answers["/"] = answer
    with pytest.raises(ToolFailed, match="broke off"):
        get(gateway(f"127.0.0.1:{site.port}"), site.url())


def test_a_name_that_is_not_known_is_a_clear_failure() -> None:
    assert "cannot be resolved" in refusal(gateway("*"), "http://nobody.example.org/")


def test_the_next_address_is_tried_where_the_first_does_not_listen(site: Website) -> None:
    site.answers["/"] = page(b"second")
    names = Names(two_example_org=[["127.0.0.77", "127.0.0.1"]])
    way = gateway(f"two.example.org:{site.port}", names)
    with watched_connections() as connections:
        assert get(way, site.url(host="two.example.org")).content == b"second"
    assert connections == [f"127.0.0.77:{site.port}", f"127.0.0.1:{site.port}"]


def test_the_system_is_asked_for_a_name_and_its_answers_are_checked(site: Website) -> None:
    site.answers["/"] = page(b"local")
    way = Gateway(parse_hosts(f"localhost:{site.port}"))
    assert get(way, site.url(host="localhost")).content == b"local"
    with pytest.raises(ToolFailed, match="not public"):
        get(Gateway(parse_hosts("*")), "http://localhost/")
    assert site.connections == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of shop.example.org, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the command openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    subject = ("-subj", "/CN=mixus tests", "-addext", "subjectAltName=DNS:shop.example.org")
    algorithm = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-out", str(paths[0]), "-keyout", str(paths[1]))
    command = [openssl, "req", "-x509", *algorithm, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.mark.parametrize("host", ["shop.example.org", "other.example.org"])
def test_the_certificate_must_be_of_the_name_although_the_address_is_pinned(
    certificate: tuple[Path, Path], host: str
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    names = Names(shop_example_org=[["127.0.0.1"]], other_example_org=[["127.0.0.1"]])
    with website(server) as shop:
        shop.answers["/"] = page(b"safe")
        entries = parse_hosts(f"{host}:{shop.port}")
        way = Gateway(entries, names, ssl.create_default_context(cafile=certificate[0]))
        if host == "shop.example.org":
            assert get(way, shop.url(host=host, scheme="https")).content == b"safe"
        else:
            with pytest.raises(ToolFailed, match="certificate"):
                get(way, shop.url(host=host, scheme="https"))
            assert shop.received == []
        with pytest.raises(ToolFailed, match="certificate"):
            get(Gateway(entries, names), shop.url(host=host, scheme="https"))
    assert asked == [host, host]


def test_a_request_that_broke_off_after_it_was_sent_is_no_certain_failure(site: Website) -> None:
    site.answers["/"] = b""
    with pytest.raises(httpx2.HTTPError):
        asyncio.run(outbound.send(gateway(f"127.0.0.1:{site.port}"), Outgoing("POST", site.url(), {}, b"x")))
    assert [received.body for received in site.received] == [b"x"]


@pytest.mark.parametrize("name", ["web_hosts", "http_hosts"])
@pytest.mark.parametrize(
    "listed",
    [
        *("http://example.org", "exa mple.org", "a.*.org", "*example.org", "example.org:0", "example.org:x"),
        *(
            "example.org:99999",
            "bücher.example",
            "127.1",
            "user@example.org",
            "example.org/path",
            "**",
            "[::1",
        ),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_at_start(name: str, listed: str) -> None:
    with pytest.raises(ValidationError, match="must be hosts, separated by commas"):
        Settings.model_validate({name: f"example.org, {listed}"})


def test_a_list_is_read_as_it_is_written() -> None:
    listed = "Example.org, *.example.org:8443,127.0.0.1:8080, [::1]:9000, *, ::1"
    assert parse_hosts(listed) == (
        ListedHost("example.org"),
        ListedHost("*.example.org", 8443),
        ListedHost("127.0.0.1", 8080),
        ListedHost("::1", 9000),
        ListedHost("*"),
        ListedHost("::1"),
    )


@given(st.text(max_size=40))
def test_a_host_has_one_spelling(text: str) -> None:
    try:
        host = canonical(text)
    except ValueError:
        return
    assert canonical(host) == host
    assert host.isascii()


def test_an_address_with_a_zone_is_no_host() -> None:
    """It would be another one than the same address in a list."""
    for text in ("fd00:ec2::254%1", "[::1%lo]", "2606:4700::1%eth0"):
        with pytest.raises(ValueError, match="not the name of a host"):
            canonical(text)


def test_port_0_is_not_checked_as_another() -> None:
    assert "at port 0 is not among" in refusal(gateway("*"), "http://example.org:0/")
