"""The pages for a browser: they link to everything, and load nothing from other hosts."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from tests.rest.support import BOT_KEY, PREFIX, RunningBridge, ServerDouble


class Loaded(HTMLParser):
    """Collects what a page loads, and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "link", "img"):
            self.sources += [value for key in ("src", "href") if (value := named.get(key))]
        if tag == "a":
            self.links += [named["href"] or ""]


def get(bridge: RunningBridge, path: str, **headers: str) -> httpx.Response:
    return httpx.get(bridge.url + path, headers=headers, verify=False)


def test_the_start_page_says_what_this_is_and_its_links_lead_somewhere(
    bridge: RunningBridge,
) -> None:
    page = get(bridge, "/")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "paper-trading venue" in page.text
    assert PREFIX in page.text
    links = Loaded(page.text).links
    assert {"/docs", "/openapi.json"} <= set(links)
    for link in links:
        assert get(bridge, link).status_code in (200, 503)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_from_this_server_alone(bridge: RunningBridge, path: str) -> None:
    page = get(bridge, path)
    sources = Loaded(page.text).sources

    assert sources
    for source in sources:
        assert source.startswith("/"), "a relative address, or the page needs the internet"
        assert get(bridge, source).status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_swagger_uis_files_are_those_of_the_package_and_no_others_are_served(
    bridge: RunningBridge,
) -> None:
    script = get(bridge, "/docs/swagger-ui-bundle.js")

    assert "javascript" in script.headers["content-type"]
    assert "SwaggerUIBundle" in script.text
    assert get(bridge, "/docs/redoc.standalone.js").status_code == 404
    assert get(bridge, "/docs/..%2F__init__.py").status_code == 404
    assert get(bridge, "/redoc").status_code == 404


def test_every_answer_keeps_a_browser_from_what_is_not_meant(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    answers = [
        get(bridge, "/"),
        get(bridge, "/docs"),
        get(bridge, "/openapi.json"),
        get(bridge, "/healthz"),
        get(bridge, "/nothing"),
        get(bridge, f"{PREFIX}/account"),
        get(bridge, f"{PREFIX}/account", **BOT_KEY),
        get(bridge, f"{PREFIX}/nothing"),
    ]
    raw = bridge.exchange(b"no HTTP\r\n\r\n").decode("ascii")

    assert {answer.status_code for answer in answers} == {200, 401, 404}
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in re.sub("style-src [^;]*", "", policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "content-security-policy: default-src 'none'" in raw


def test_no_cache_keeps_an_answer_of_the_api(bridge: RunningBridge, server: ServerDouble) -> None:
    """A cache could keep a key that is shown only once, or show one account's data to another."""
    made = httpx.post(
        f"{bridge.url}{PREFIX}/keys", headers={"Authorization": "Bearer a.b.c"}, json={"label": "x"}
    )
    read = get(bridge, f"{PREFIX}/account", **BOT_KEY)
    refused = get(bridge, f"{PREFIX}/account")

    assert [made.status_code, read.status_code, refused.status_code] == [201, 200, 401]
    assert {it.headers["cache-control"] for it in (made, read, refused)} == {"no-store"}


def test_every_json_answer_ends_its_line(bridge: RunningBridge, server: ServerDouble) -> None:
    """A prompt that follows the answer then begins on its own line."""
    answers = [
        get(bridge, f"{PREFIX}/account", **BOT_KEY),
        get(bridge, f"{PREFIX}/orders", **BOT_KEY),
        get(bridge, f"{PREFIX}/account"),
        get(bridge, "/nothing"),
        get(bridge, "/openapi.json"),
    ]
    raw = bridge.exchange(b"no HTTP\r\n\r\n")

    for answer in answers:
        assert answer.content.endswith(b"\n")
        assert answer.content.count(b"\n") == 1
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert raw.endswith(b"}\n")
