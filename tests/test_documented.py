"""What users meet is documented where they look for it, and what is documented exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokens import filters, ops
from tokens.fields import FIELDS

ROOT = Path(__file__).resolve().parents[1]


def text(path: str) -> str:
    return (ROOT / path).read_text()


def test_every_setting_is_in_the_example_file_and_no_other() -> None:
    read = re.findall(r'_env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"', text("tokensite/settings.py"))
    read += [f"{name}_URL" for name in re.findall(r'_vendor\("([A-Z]+)"', text("tokensite/settings.py"))]
    shown = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", text(".env.example"), re.MULTILINE)
    assert sorted(set(read)) == sorted(shown)


@pytest.mark.parametrize("name", [*filters._PARAMETERS, *FIELDS])
def test_every_parameter_and_field_is_in_the_api_guide(name: str) -> None:
    assert f"`{name}`" in text("docs/api.md")


@pytest.mark.parametrize("name", ops.CHANNELS)
def test_every_channel_is_in_the_websocket_guide(name: str) -> None:
    assert f"| `{name}` |" in text("docs/websocket.md")


def test_the_readme_shows_the_two_commands_on_lines_of_their_own() -> None:
    assert re.search(r"^ *make up$", text("README.md"), re.MULTILINE)
    assert re.search(r"^ *make test$", text("README.md"), re.MULTILINE)


@pytest.mark.parametrize("guide", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_between_documents_lead_somewhere(guide: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text(guide))
    broken = [link for link in links if not ((ROOT / guide).parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`manage\.py (\w+)", text("docs/operations.md")))))
def test_every_command_in_the_operator_guide_exists(command: str) -> None:
    homes = [
        ROOT / app / "management/commands" / f"{command}.py" for app in ("tokensite", "tokens", "enrichment", "refresh")
    ]
    assert any(home.exists() for home in homes)
