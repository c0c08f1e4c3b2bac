"""The commands of the guides work as pasted, one after another."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_readme import ROOT, pointed_at
from tests.support.process import Process

DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    ("guide", "told"),
    [
        (
            "bot-authors.md",
            [
                '"replayed":false',
                '"replayed":true',
                '"client_order_id":"monday-1"',
                '"rejection_reasons":["ORDER_NOTIONAL_EXCEEDED"',
                '"type":"FILLED"',
                '"limit":20,',
                '"total_equity":"99',
                '"points":[{',
                '"total_trades":2',
                '"symbol":"BTC-USD"',
                '"stale":false',
                '"complete":false',
                '"sessions":[{',
            ],
        ),
        (
            "agents.md",
            [
                '"mcpServers"',
                '"daily_loss_max":"500.00',
                '"trading_state":"HALTED"',
                '"trading_state":"ACTIVE"',
            ],
        ),
        ("operators.md", ["BOTTRADING_GRPC", '"balance":"102500.00"', "report.html"]),
    ],
)
@pytest.mark.timeout(120)
def test_a_guide_works_as_pasted(tmp_path: Path, guide: str, told: list[str]) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        done = pasted(service, (DOCS / guide).read_text(), tmp_path)

    assert done.returncode == 0, done.stderr
    said = done.stdout
    for part in told:
        assert part in said, f"{part} is missing, or comes too early, in:\n{done.stdout}"
        said = said[said.index(part) :]


@pytest.mark.timeout(120)
def test_a_backup_made_as_pasted_replaces_the_one_before_and_is_the_service_of_then(
    tmp_path: Path,
) -> None:
    guide = (DOCS / "operators.md").read_text()
    backup = guide.split("## Backup")[1].split("## ")[0]
    with Process(tmp_path / "data", rest=True) as service:
        for text in (backup, guide):
            done = pasted(service, text, tmp_path)
            assert done.returncode == 0, done.stderr
        token = service.token("ada")
    with Process(tmp_path / "data-backup", rest=True) as restored:
        listed = subprocess.check_output(
            [
                "curl",
                "-s",
                f"{restored.rest}/api/v1/bot/accounts",
                "-H",
                f"Authorization: Bearer {token}",
            ],
            text=True,
        )

    assert '"balance":"102500.00"' in listed


def pasted(service: Process, text: str, work: Path) -> "subprocess.CompletedProcess[str]":
    """Run all commands of a guide in one shell."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    script = re.sub(r"(?m)^make setup-.*$", "", pointed_at(service, "echo\n".join(blocks)))
    script = script.replace('"data', f'"{work}/data')
    return subprocess.run(
        ["bash", "-eu", "-c", script.replace("report.html", f"{work}/report.html")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=90,
        env=os.environ | {"BOTTRADING_TARGET": service.grpc},
    )


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "clients").glob("*/README.md")):
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)]*)?\)", page.read_text()):
            if "://" in target:
                continue
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor and path.suffix == ".md":
                headings = re.findall(r"(?m)^#+ (.+)$", path.read_text())
                assert anchor[1:] in {one.lower().replace(" ", "-") for one in headings}, anchor
