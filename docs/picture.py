"""The picture of the README: the service in one terminal, the first trade in another.

`make picture` draws it as SVG. It shows what the commands of the README print, with the addresses
and the directory that a reader will see.
"""

import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.support.process import Process

ROOT = Path(__file__).parents[1]
COLUMNS = 112
LOG_LINES = 26
"""Enough for the summary and a few calls."""
FONTS = re.compile(r"@font-face \{\{.*?\n    \}\}\s*", re.DOTALL)
"""Fonts that a browser would fetch from the net."""


def main() -> None:
    """Trade on a service of its own, and print what both terminals show."""
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name) / "data"
        with Process(data_dir, rest=True, terminal=True) as service:
            told = _traded(service)
            service.stop()
        log = _shown(service, service.log.read_text())
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text("$ make run", style="bold"))
    console.print(Text.from_ansi("\n".join(log.splitlines()[:LOG_LINES])))
    console.print("─" * COLUMNS, style="dim")
    for command, answer in told:
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text(answer), soft_wrap=False)
    form = FONTS.sub("", CONSOLE_SVG_FORMAT)
    sys.stdout.write(console.export_svg(title="BotTrading", code_format=form, unique_id="shown"))


def _traded(service: Process) -> list[tuple[str, str]]:
    """Run the commands of the README's first trade; return each with what it printed."""
    readme = (ROOT / "README.md").read_text()
    [first] = (
        str(it) for it in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "key create" in it
    )
    program = str(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0])
    make_key, _, order, portfolio = first.splitlines()
    key = _run(service, f'{make_key}\necho "$KEY"')
    told = [(make_key, "")]
    told += [(it, _run(service, it, KEY=key)) for it in (order, portfolio)]
    trade = Path(service.data_dir).with_name("trade.py")
    trade.write_text(program.replace("127.0.0.1:50051", service.grpc))
    answer = _run(service, f"{sys.executable} {trade}", KEY=key)
    return [*told, (".venv/bin/python trade.py", answer)]


def _run(service: Process, command: str, **environment: str) -> str:
    command = command.replace(".venv/bin/bottrading", f"{sys.executable} -m server")
    command = command.replace("key create", f"key create --data-dir {service.data_dir}")
    done = subprocess.run(
        ["/bin/bash", "-euc", command.replace("127.0.0.1:8080", service.rest)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
    )
    return done.stdout.strip()


def _shown(service: Process, text: str) -> str:
    for found, shown in (
        (service.rest, "127.0.0.1:8080"),
        (service.grpc, "127.0.0.1:50051"),
        (str(service.data_dir), "/home/you/bottrading/data"),
        (" --data-dir /home/you/bottrading/data", ""),
        ("bottrading key", ".venv/bin/bottrading key"),
        ("bottrading open", ".venv/bin/bottrading open"),
    ):
        text = text.replace(found, shown)
    return re.sub(r"#token=[\w.-]+", "#token=…", text)


if __name__ == "__main__":
    main()
