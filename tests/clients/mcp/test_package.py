"""The package as it is built and installed elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "clients/mcp/README.md").read_text()


@pytest.mark.timeout(300)
def test_the_wheels_are_installed_as_pasted_and_the_command_is_there(
    environment: dict[str, str], tmp_path: Path
) -> None:
    bin_ = tmp_path / "venv/bin"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    [build] = re.findall(r"`(pip wheel .*?)`", README)
    [install] = re.findall(r"`(pip install .*?)`", README)
    script = f"{build} && {install}".replace("dist", str(tmp_path / "dist"))
    variables = os.environ | environment | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", script], check=True, cwd=ROOT, env=variables)

    command = [str(bin_ / "bottrading-mcp"), "--print-config"]
    printed = subprocess.check_output(command, text=True, cwd=tmp_path, env=variables)
    listed = subprocess.check_output([str(bin_ / "pip"), "list", "--format=freeze"], text=True)

    assert json.loads(printed)["mcpServers"]["bottrading"]["command"].startswith(f"{bin_}/python")
    assert not re.search(r"(?m)^bottrading==", listed), "the service is not needed"
