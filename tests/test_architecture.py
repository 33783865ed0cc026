"""The tree keeps its own rules: sizes, names, one door for each effect. Imports are import-linter's (`make check`)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("tokensite", "tokens", "enrichment", "refresh")
MODULES = sorted(p for app in APPS for p in (ROOT / app).rglob("*.py") if "migrations" not in p.parts)


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def size(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_at_most_300_lines_and_says_what_it_knows(path: Path) -> None:
    assert path.read_text().count("\n") <= 300
    assert path.stem not in {"utils", "helpers", "services", "managers", "signals", "common", "misc"}
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree) or path.name in {"apps.py"}


def test_functions_are_short() -> None:
    sizes = [size(function) for path in MODULES for function in functions(path)]
    assert median(sizes) <= 10
    assert quantiles(sizes, n=10)[-1] <= 30
    assert max(sizes) <= 50


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"^\s*(import|from) httpx\b", {"enrichment/upstream/http.py"}),
        (r"\bmark_safe\b", set()),
        (r"FOR UPDATE SKIP LOCKED", {"tokens/leasing.py"}),
        (r"\bOutboxEvent\b.*\.(create|bulk_create)\(", set()),
    ],
)
def test_an_effect_has_one_door(pattern: str, home: set[str]) -> None:
    users = {str(p.relative_to(ROOT)) for p in MODULES if re.search(pattern, p.read_text(), re.MULTILINE)}
    assert users <= home


def test_only_the_store_writes_token_facts() -> None:
    tables = r"(UPDATE|INSERT INTO|DELETE FROM) (tokens|token_prices|token_socials|token_websites|token_rank_history)\b"
    names = r"\b(Token|TokenPrice|Social|Website|PriceHistory|RankHistory)"
    models = rf"{names}\.objects[^\n]*\.(create|update|delete|bulk_\w+)\("
    writers = {str(p.relative_to(ROOT)) for p in MODULES if re.search(f"{tables}|{models}", p.read_text())}
    assert writers <= {"tokens/store.py"}


def test_no_token_row_is_ever_deleted() -> None:
    assert not [p for p in MODULES if re.search(r"DELETE FROM tokens\b|Token\.objects[^\n]*\.delete\(", p.read_text())]
