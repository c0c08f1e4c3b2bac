"""The built page at `/`: its files, how browsers keep them, and what no other page can do to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.rest.support import House, RunningBridge, ServerDouble

INDEX = '<!doctype html><script type="module" src="/assets/page-4f3a.js"></script>'
SCRIPT = "export const rows = 1;\n" * 200
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(INDEX)
    (folder / "secret.txt").write_text("not for browsers")
    (folder / "assets").mkdir()
    (folder / "assets/page-4f3a.js").write_text(SCRIPT)
    (folder / "assets/page-4f3a.css").write_text("body { margin: 0 }")
    return folder


@pytest.fixture(scope="module")
def paged(house: House, target: str, built: Path) -> Iterator[RunningBridge]:
    bridge = house.bridge(target=target, built_page=built)
    yield bridge
    bridge.close()


def get(bridge: RunningBridge, path: str, **headers: str) -> httpx.Response:
    return httpx.get(bridge.url + path, headers=headers, verify=False)


def test_the_index_is_asked_for_each_time(paged: RunningBridge) -> None:
    page = get(paged, "/")

    assert (page.status_code, page.text) == (200, INDEX)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"


def test_a_page_that_is_built_anew_is_served_at_once(
    house: House, target: str, tmp_path: Path
) -> None:
    bridge = house.bridge(target=target, built_page=tmp_path)
    try:
        before = get(bridge, "/")
        (tmp_path / "index.html").write_text(INDEX)
        after = get(bridge, "/")
    finally:
        bridge.close()

    assert before.status_code == 200
    assert "make page" in before.text
    assert after.text == INDEX


def test_an_asset_is_kept_for_good_and_comes_compressed(paged: RunningBridge) -> None:
    script = get(paged, "/assets/page-4f3a.js")
    style = get(paged, "/assets/page-4f3a.css")
    plain = get(paged, "/assets/page-4f3a.js", **{"Accept-Encoding": "identity"})

    assert script.text == plain.text == SCRIPT
    assert script.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "javascript" in script.headers["content-type"]
    assert style.headers["content-type"].startswith("text/css")
    for asset in (script, style, plain):
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets",
        "/assets/nothing.js",
        "/assets/../secret.txt",
        "/assets/..%2Fsecret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets//etc/passwd",
        "/secret.txt",
        "/index.html",
    ],
)
def test_nothing_but_the_assets_is_served(paged: RunningBridge, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = paged.exchange(head.encode())

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"immutable" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["reason"] == "ROUTE_NOT_FOUND"


def test_an_asset_takes_only_reads(paged: RunningBridge) -> None:
    refused = httpx.post(paged.url + "/assets/page-4f3a.js", verify=False)

    assert refused.status_code == 405
    assert refused.json()["error"]["reason"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/", "/page.json", "/assets/page-4f3a.js", "/assets/none.js"])
def test_a_browser_neither_frames_the_page_nor_runs_foreign_script_in_it(
    paged: RunningBridge, path: str
) -> None:
    headers = get(paged, path).headers

    assert headers.get_list("content-security-policy") == [POLICY]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers


def test_a_window_that_opened_the_page_cannot_reach_into_it(paged: RunningBridge) -> None:
    assert get(paged, "/").headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/page.json", "/assets/page-4f3a.js"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080"])
def test_a_page_elsewhere_cannot_read_this_one_by_rebinding_its_name(
    paged: RunningBridge, path: str, host: str
) -> None:
    refused = get(paged, path, Host=host)

    assert refused.status_code == 421
    assert refused.json()["error"]["reason"] == "HOST_UNKNOWN"
    assert "BOTTRADING_HOSTS" in refused.text


def test_what_the_page_asks_first_needs_no_credential(
    house: House, target: str, paged: RunningBridge, server: ServerDouble
) -> None:
    public = house.bridge(target=target, public_leaderboard=True)
    try:
        shown = get(public, "/page.json").json()
    finally:
        public.close()
    facts = get(paged, "/page.json")

    assert facts.json() == {"public_leaderboard": False, "sign_in": None}
    assert facts.headers["cache-control"] == "no-cache"
    assert shown == {"public_leaderboard": True, "sign_in": None}
    assert server.calls == []


def test_a_bridge_without_the_page_describes_itself(house: House, target: str, built: Path) -> None:
    bridge = house.bridge(target=target, page=False, built_page=built)
    try:
        start = get(bridge, "/")
        missing = [get(bridge, path) for path in ("/page.json", "/assets/page-4f3a.js")]
    finally:
        bridge.close()

    assert 'href="/docs"' in start.text
    assert "make page" not in start.text
    assert [answer.status_code for answer in missing] == [404, 404]
