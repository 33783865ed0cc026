"""The one door for what strangers wrote: text, URLs, numbers and times become storable values or `None`.

Every function is total over whatever JSON can hold: what makes no sense is `None`, and nothing raises.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from tokens.mint import is_mint

# Caps of the project's own rules; Metaplex allows 32 and 10 bytes, Token-2022 metadata sets no limit at all.
NAME_GRAPHEMES, NAME_BYTES = 64, 256
SYMBOL_GRAPHEMES, SYMBOL_BYTES = 32, 128
DESCRIPTION_GRAPHEMES, DESCRIPTION_BYTES = 1_000, 4_000  # 99 % of real descriptions have at most 606
TAG_GRAPHEMES, TAG_BYTES, TAGS_MAX = 32, 64, 32  # the longest of 450,000 real lists has 14 tags
URL_CHARS = 512
MARKS_IN_A_ROW = 3  # Vietnamese needs two, Hebrew with cantillation three; zalgo begins above
PADDING = 16  # a text is read up to this many times its cap: real padding runs to 216 characters

DECIMALS_MAX = 255  # the mint account stores a u8
PLACES = Decimal(1).scaleb(-18)  # numeric(38,18) and numeric(60,18): the scale of every column of amounts
PRICE_MAX_USD = Decimal(10) ** 12
AMOUNT_BOUND_USD = Decimal(10) ** 20  # first value that no longer fits numeric(38,18)
SUPPLY_BOUND = Decimal(10) ** 42  # first value that no longer fits numeric(60,18)
COUNT_MAX = 2**63 - 1
PERCENT_MAX = 1e9  # the largest recorded change is +52,166 %; a ten-millionfold day is a wrong unit
GENESIS = datetime(2020, 3, 16, tzinfo=UTC)  # Solana's first block: nothing on it is older
EPOCH_BOUND_MS = 10**14  # above it stand µs and nonsense, which no vendor sends on purpose
MILLISECONDS_FROM = 10**11  # an epoch above is in ms (in seconds it would be the year 5138)

# U+200D joins emoji into one picture and U+FE0F colours them; anywhere else both are only invisible.
_EMOJI = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200b\u200c\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    f"|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d|\u200d(?![{_EMOJI}])|(?<![{_EMOJI}])[\ufe00-\ufe0f](?!\u20e3)"
)
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LAST_OF_PLANES = "".join(chr(p + 0xFFFE) + chr(p + 0xFFFF) for p in range(0, 0x110000, 0x10000))
_CONTROL = re.compile(f"[\\x00-\\x08\\x0e-\\x1f\\x7f-\\x9f\ufdd0-\ufdef{_LAST_OF_PLANES}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FALSE_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")  # letters by category, empty on the screen
_BLANKS = re.compile(r"\s+")

_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LATIN_LIKE = re.compile(  # Greek, Cyrillic, Armenian, Cherokee, Coptic: their letters pass for Latin ones
    "[\u0370-\u0373\u0376-\u037d\u037f\u0386-\u052f\u0531-\u0587\u13a0-\u13fd\u1c80-\u1c8f\u1f00-\u1fff\u2c80-\u2cff"
    "\u2de0-\u2dff\ua640-\ua69f\uab70-\uabbf]"
)
_URL_LIKE = re.compile(
    r"https?:|www\.|\bt\.me\b|[a-z0-9-]{2,}\.(?:com|net|org|io|xyz|fun|app|ai|gg|me|co|cc|dev|finance|site|online|live"
    r"|top|vip|pro|club|info|link|money|cash|world|tech|gift|claims?|bet|win|lol|family|network|exchange|market)\b",
    re.IGNORECASE,
)
_KEY_LIKE = re.compile("[1-9A-HJ-NP-Za-km-z]{32,}")
_UNLINKABLE = re.compile(r'[\x00-\x20\x7f-\x9f\s\\"<>]')
_PUBLIC_HOST = re.compile(
    r"(?:[a-z0-9-]+\.)+(?!local$|localhost$|internal$|lan$|home$|corp$)(?:[a-z]{2,63}|xn--[a-z0-9-]+)"
)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?\s*")
_NUMBER_CHARS = 200  # recorded prices have 60 to 70 digits
_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:]{8})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_WIDE = Context(prec=80, traps=[InvalidOperation])  # holds 42 + 18 digits


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text fit to store, and what had to be done to it or was noticed in it."""

    value: str | None
    flags: frozenset[str] = frozenset()


def text(value: object, *, graphemes: int, size_bytes: int) -> Cleaned:
    """Return `value` without anything invisible or reordering, in NFC, cut at a whole character.

    Runs of blanks become one space and the ends are stripped, as a page shows them; nothing left is `None`.
    Flags: `has_control`, `has_bidi`, `has_zero_width`.
    """
    cleaned, flags = _clean(value, chars_max=PADDING * size_bytes)
    return Cleaned(_cut(cleaned, graphemes, size_bytes) or None, flags)


def name(value: object) -> Cleaned:
    """Return a token's name; also flags `has_url`, `mixed_script` and `has_foreign_mint`."""
    return _label(value, NAME_GRAPHEMES, NAME_BYTES)


def symbol(value: object) -> Cleaned:
    """Return a token's symbol; flags as for `name`."""
    return _label(value, SYMBOL_GRAPHEMES, SYMBOL_BYTES)


def description(value: object) -> Cleaned:
    """Return a description; URLs and mints are at home there and carry no flag."""
    return text(value, graphemes=DESCRIPTION_GRAPHEMES, size_bytes=DESCRIPTION_BYTES)


def tags(value: object) -> tuple[str, ...] | None:
    """Return distinct lower-case tags in their order, at most `TAGS_MAX`; `None` when there is no list."""
    if not isinstance(value, list):
        return None
    read = value[: TAGS_MAX * 4]
    cleaned = (text(item, graphemes=TAG_GRAPHEMES, size_bytes=TAG_BYTES).value for item in read)
    return tuple(dict.fromkeys(tag.lower() for tag in cleaned if tag))[:TAGS_MAX]


def url(value: object) -> str | None:
    """Return a URL as plain text, whatever its scheme; only `href` says what may be linked."""
    cleaned, _ = _clean(value, chars_max=PADDING * URL_CHARS)
    return cleaned if 0 < len(cleaned) <= URL_CHARS else None


def href(stored: str | None) -> str | None:
    """Return the only form of a stored URL that may become a link, or `None`.

    https to a public, named host, shown in punycode; no credentials, no blanks, no backslash, no IP address.
    """
    if stored is None or len(stored) > URL_CHARS or _UNLINKABLE.search(stored):
        return None
    try:
        parts = urlsplit(stored)
        host, port = idna.encode(parts.hostname or "", uts46=True).decode(), parts.port
        rest = (quote(part, safe="/?:@!$&'()*+,;=~%") for part in (parts.path, parts.query, parts.fragment))
        linkable = urlunsplit(("https", host if port is None else f"{host}:{port}", *rest))
    except ValueError:  # a bad port, bracket or label, or a lone surrogate
        return None
    is_plain = parts.scheme == "https" and "@" not in parts.netloc
    return linkable if is_plain and _PUBLIC_HOST.fullmatch(host) else None


def price_usd(value: object) -> Decimal | None:
    """Return a positive price of at most 10^12 USD at 18 decimals; one that rounds to zero is unknown."""
    number = _number(value)
    if number is None or not 0 < number <= PRICE_MAX_USD:
        return None
    return _places(number) or None


def amount_usd(value: object) -> Decimal | None:
    """Return an amount of USD, zero included, that fits numeric(38,18)."""
    number = _number(value)
    return _places(number) if number is not None and 0 <= number < AMOUNT_BOUND_USD - 1 else None


def supply(value: object) -> Decimal | None:
    """Return a supply, zero included, that fits numeric(60,18)."""
    number = _number(value)
    return _places(number) if number is not None and 0 <= number < SUPPLY_BOUND - 1 else None


def percent(value: object) -> float | None:
    """Return a relative change in percent, from −100 (all of it) up to `PERCENT_MAX`."""
    number = _number(value)
    return float(number) if number is not None and -100 <= number <= PERCENT_MAX else None


def count(value: object) -> int | None:
    """Return a whole number of things, 0 to 2^63 − 1."""
    number = _number(value)
    if number is None or not 0 <= number <= COUNT_MAX or number != int(number):
        return None
    return int(number)


def decimals(value: object) -> int | None:
    """Return a token's number of decimals, 0 to 255."""
    number = count(value)
    return number if number is not None and number <= DECIMALS_MAX else None


def instant(value: object, now: datetime) -> datetime | None:
    """Return a time, never later than `now`; `None` when it is none or older than the chain.

    Shape: ISO 8601 with any number of fraction digits (UTC where no offset is given), or an epoch in s or ms.
    """
    moment = _iso(value, now) if isinstance(value, str) and ":" in value else _epoch(value, now)
    return moment if moment is not None and moment >= GENESIS else None


def _clean(value: object, *, chars_max: int) -> tuple[str, frozenset[str]]:
    if not isinstance(value, str):
        return "", frozenset()
    raw = value[:chars_max]
    if raw.isascii() and raw.isprintable():  # nearly every text: nothing to look for
        return _BLANKS.sub(" ", raw).strip(), frozenset()
    found = {
        "has_control": _CONTROL.search(raw) or _SURROGATE.search(raw),
        "has_bidi": _BIDI.search(raw),
        "has_zero_width": _INVISIBLE.search(raw) or _FALSE_BLANK.search(raw),
    }
    seen = _SURROGATE.sub("\ufffd", _CONTROL.sub("", _BIDI.sub("", _INVISIBLE.sub("", raw))))
    composed = unicodedata.normalize("NFC", _BLANKS.sub(" ", _FALSE_BLANK.sub(" ", seen)))
    return _with_few_marks(composed).strip(), frozenset(flag for flag, match in found.items() if match)


def _with_few_marks(composed: str) -> str:
    kept, run = [], 0
    for char in composed:
        run = run + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if run <= MARKS_IN_A_ROW:
            kept.append(char)
    return "".join(kept)


def _label(value: object, graphemes: int, size_bytes: int) -> Cleaned:
    whole, flags = _clean(value, chars_max=PADDING * size_bytes)
    noticed = {
        "has_url": _URL_LIKE.search(whole),
        "mixed_script": _LATIN.search(whole) and _LATIN_LIKE.search(whole),
        "has_foreign_mint": any(len(run) > 44 or is_mint(run) for run in _KEY_LIKE.findall(whole)),
    }
    kept = _cut(whole, graphemes, size_bytes) or None
    return Cleaned(kept, flags | {flag for flag, sign in noticed.items() if sign})


def _cut(whole: str, graphemes: int, size_bytes: int) -> str:
    if whole.isascii():
        return whole[: min(graphemes, size_bytes)].rstrip()
    kept, size = [], 0
    for number, cluster in enumerate(_clusters(whole)):
        size += len(cluster.encode())
        if number >= graphemes or size > size_bytes:
            break
        kept.append(cluster)
    return "".join(kept).rstrip()


def _clusters(whole: str) -> Iterator[str]:
    """Yield what a reader takes for one character: a base with its marks, a joined emoji, a flag."""
    start = regionals = 0
    for at, char in enumerate(whole):
        is_regional = "\U0001f1e6" <= char <= "\U0001f1ff"
        is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
        extends = is_skin_tone or char == "\u200d" or unicodedata.category(char).startswith("M")
        if at > start and not (extends or whole[at - 1] == "\u200d" or (is_regional and regionals % 2)):
            yield whole[start:at]
            start = at
        regionals = regionals + 1 if is_regional else 0
    if whole:
        yield whole[start:]


def _number(value: object) -> Decimal | None:
    """Return the exact finite number `value` writes; a float counts as the shortest text that means it."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value) if value.bit_length() <= 4 * _NUMBER_CHARS else None
    if isinstance(value, str) and len(value) <= _NUMBER_CHARS and _NUMBER.fullmatch(value):
        return Decimal(value.strip())
    return None


def _places(number: Decimal) -> Decimal:
    return number.copy_abs().quantize(PLACES, context=_WIDE)


def _iso(value: str, now: datetime) -> datetime | None:
    match = _ISO.fullmatch(value.strip()) if len(value) <= _NUMBER_CHARS else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups(default="")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{fraction[:6]:0<6}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return min(moment, now)


def _epoch(value: object, now: datetime) -> datetime | None:
    number = _number(value)
    if number is None or not 0 < number < EPOCH_BOUND_MS:
        return None
    seconds = number / 1000 if number > MILLISECONDS_FROM else number
    return now if seconds > now.timestamp() else datetime.fromtimestamp(float(seconds), UTC)
