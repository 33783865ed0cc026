"""Reads configuration from environment variables and collects every problem before it complains once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


class Environment:
    """The variables, each read as the type it must be. A `NAME_FILE` twin gives a value as a file's content."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def refuse(self, problem: str) -> None:
        """Note a problem; it is told together with all others."""
        self._problems.append(problem)

    def raise_problems(self) -> None:
        """Raise ImproperlyConfigured with one message that lists every problem, if there is any."""
        if self._problems:
            lines = "\n".join(f"  - {problem}" for problem in self._problems)
            raise ImproperlyConfigured(f"the configuration has problems:\n{lines}")

    def text(self, name: str, default: str = "") -> str:
        """Return the variable, or the content of the file its twin names."""
        if path := self._variables.get(f"{name}_FILE"):
            try:
                return Path(path).read_text().strip()
            except OSError as error:
                self.refuse(f"{name}_FILE: cannot read {path}: {error.strerror}")
        return self._variables.get(name, "").strip() or default

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        text = self.text(name, str(default))
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        self.refuse(f"{name}={text!r}: a whole number from {low} to {high} is needed")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        text = self.text(name, str(default)).lower()
        if text in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            return text in {"1", "true", "yes", "on"}
        self.refuse(f"{name}={text!r}: true or false is needed")
        return default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words."""
        text = self.text(name, default)
        if text in allowed:
            return text
        self.refuse(f"{name}={text!r}: one of {', '.join(allowed)} is needed")
        return default

    def parts(self, name: str, default: str = "") -> list[str]:
        """Return the parts of a comma list."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def origin(self, name: str, default: str) -> str:
        """Return an http(s) base URL without a trailing slash; credentials and queries have no place in it."""
        text = self.text(name, default).rstrip("/")
        url = urlsplit(text)
        if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.username:
            self.refuse(f"{name}: an http(s) URL without credentials or query is needed")
        return text

    def kept_secret(self, path: Path) -> str:
        """Return the secret in the file, made at the first start and readable by its owner only."""
        try:
            return path.read_text().strip()
        except OSError:
            secret = secrets.token_urlsafe(50)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secret)
        except FileExistsError:
            return path.read_text().strip()
        except OSError as error:
            self.refuse(f"{path} cannot be written: {error.strerror}")
        return secret
