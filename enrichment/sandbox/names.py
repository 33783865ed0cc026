"""What tokens are called: recombined words, many clashes, and a small share of the odd names real lists hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from enrichment.sandbox.chance import Chance, Words
from enrichment.sandbox.traits import KINDS, Traits
from enrichment.sandbox.universe import LAUNCHED, SENTINELS, Universe

NameAndSymbol = tuple[str, str]

_KNOWN: tuple[NameAndSymbol, ...] = (("Wrapped SOL", "SOL"), ("USD Coin", "USDC"), ("USDT", "USDT"))
_BEINGS = (
    "Frog", "Otter", "Badger", "Pigeon", "Moose", "Gecko", "Llama", "Walrus", "Ferret", "Heron", "Beetle",
    "Marmot", "Turnip", "Pickle", "Noodle", "Waffle", "Pretzel", "Dumpling", "Muffin", "Biscuit", "Radish",
    "Goblin", "Wizard", "Yeti", "Kraken", "Gnome", "Pirate", "Robot", "Butler", "Plumber", "Janitor", "Uncle",
    "Granny", "Toaster", "Teapot", "Sock", "Lantern", "Anvil", "Comet", "Puddle", "Glacier", "Cactus",
    "Mushroom", "Lemon", "Peanut", "Turtle", "Hamster", "Donkey", "Goose", "Squid", "Shrimp", "Lobster",
    "Mantis", "Weasel", "Panda", "Koala", "Tapir", "Yak", "Bison", "Raven", "Moth", "Snail", "Newt", "Toad",
    "Dog", "Cat", "Ape",
)  # fmt: skip
_MOODS = (
    "Sleepy", "Grumpy", "Based", "Tiny", "Giant", "Cosmic", "Silent", "Loud", "Dizzy", "Lucky", "Broke", "Rich",
    "Golden", "Rusty", "Soggy", "Crispy", "Electric", "Lazy", "Honest", "Sneaky", "Bald", "Fluffy", "Spicy",
    "Frozen", "Melting", "Flying", "Drunk", "Polite", "Angry", "Holy", "Cursed", "Retired", "Secret", "Royal",
    "Baby", "Super", "Mega", "Dark", "Neon", "Quantum",
)  # fmt: skip
_TAILS = ("Coin", "Inu", "Wif Hat", "AI", "Protocol", "2.0", "Cash", "World", "Club", "on Solana", "Finance", "DAO")
_COMPANIES = ("Northwind", "Umbra", "Halcyon", "Ferrous", "Tidewater", "Quillon", "Brightwell", "Obelisk")

# Shares: 1 in 33 tokens is odd (5 % of a real list is, most of it blanks); clones fill the answers of one hour.
_ODD_SHARE = 0.03
_CLONE_SHARE, _CLONES = 0.30, 12
# The weights of the forms: two words, mood and being and tail, one word, words that shout.
_FORM_SHARES = (0.40, 0.25, 0.25)

_Odd = Callable[[str, str], NameAndSymbol]
# Seen in real lists except the markup and script forms, which none held and every reader must survive.
ODDITIES: tuple[_Odd, ...] = (
    lambda name, symbol: (f"{name} ", symbol),
    lambda name, symbol: (f" {name}", f"{symbol} "),
    lambda name, symbol: ("柴犬とカエル", "カエル"),
    lambda name, symbol: ("英伟达青蛙", "青蛙"),
    lambda name, symbol: (f"{name} 🚀🐸", "🐸"),
    lambda name, symbol: (f"\u200b{name}", f"{symbol}\u200d"),
    lambda name, symbol: (f"\u202e{name[::-1]}", f"\u202e{symbol[::-1]}\u202c"),
    lambda name, symbol: ("USD \u0421\u043ein", "USD\u0421"),
    lambda name, symbol: ("USD Coin", "USDC"),
    lambda name, symbol: ("\u200bUSD Coin", "USDC"),
    lambda name, symbol: (f"{name}\0\0\0", f"{symbol}\0\0"),
    lambda name, symbol: ("\0\0", symbol),
    lambda name, symbol: ("<script>alert(document.cookie)</script>", "<b>XSS"),
    lambda name, symbol: ('<img src=x onerror="alert(1)">', "<IMG>"),
    lambda name, symbol: (f"{name} &amp; Friends", "A&amp;B"),
    lambda name, symbol: (f"{name} — the one and only, officially the best there ever was", "BESTEVERCOIN"),
    lambda name, symbol: (f"{name} {'⠀' * 20}{'1' * 160}", "1-WORD-CAN-CHANGE-YOUR-LIFE"),
    lambda name, symbol: (f"https://claim-{symbol.lower()}.example/airdrop", f"{symbol[:5].lower()}.com"),
    lambda name, symbol: (" ", "ㅤ"),
    lambda name, symbol: ("", ""),
    lambda name, symbol: ('=HYPERLINK("https://sheet.example")', "+0.1"),
    lambda name, symbol: ("infinity", "NaN"),
    lambda name, symbol: ("None", "null"),
    lambda name, symbol: ("7079324826", "7079324826"),
    lambda name, symbol: ("Robert'); DROP TABLE tokens;--", "L'OR"),
    lambda name, symbol: ("C̴̛̛͙͍r̷̡̛͚̝u̲̬̻̘s̶̢͜t", "C̴R̷"),
    lambda name, symbol: (f"{name}\r\nSet-Cookie: a=b", f"{symbol}\t"),
    lambda name, symbol: ("ماشاء الله", "زوني"),
    lambda name, symbol: ("{{7*7}}${7*7}", "{{X}}"),
)


def names_of(chance: Chance, universe: Universe, traits: Traits) -> list[NameAndSymbol]:
    """Return (name, symbol) of every token: what its mint file says, or else what chance says."""
    made_up = _made_up(chance, traits)
    given = [universe.given_name(token) for token in traits.ids.tolist()]
    return [(name or other, symbol or code) for (symbol, name), (other, code) in zip(given, made_up, strict=True)]


def _made_up(chance: Chance, traits: Traits) -> list[NameAndSymbol]:
    ids = traits.ids
    theme = _themes(chance, ids)
    draws = zip(
        ids.tolist(),
        traits.kind.tolist(),
        chance.bits("words", theme).tolist(),
        chance.pick("form", _FORM_SHARES, theme).tolist(),
        (chance.unit("odd", ids) < _ODD_SHARE).tolist(),
        chance.bits("oddity", ids).tolist(),
        strict=True,
    )
    return [_name(*draw) for draw in draws]


def _themes(chance: Chance, ids: Words) -> Words:
    """Return what each name is drawn from: the id, or for clones the dozen of launches they belong to."""
    is_clone = (ids >= LAUNCHED) & (chance.unit("clone", ids) < _CLONE_SHARE)
    return np.where(is_clone, ids // np.uint64(_CLONES), ids)


def _name(token: int, kind: int, words: int, form: int, is_odd: bool, oddity: int) -> NameAndSymbol:
    if token < len(SENTINELS):
        return _KNOWN[token]
    plain = _kind_name(kind, words) if kind < len(KINDS) else _plain_name(form, words)
    return ODDITIES[oddity % len(ODDITIES)](*plain) if is_odd else plain


def _kind_name(kind: int, words: int) -> NameAndSymbol:
    if KINDS[kind] == "lst":
        being = _BEINGS[words % len(_BEINGS)]
        return f"{being} Staked SOL", f"{being.lower()}SOL"
    company = _COMPANIES[words % len(_COMPANIES)]
    return f"{company} Holdings (simulated stock)", f"{company[:4].upper()}x"


def _plain_name(form: int, words: int) -> NameAndSymbol:
    # Squaring a uniform draw prefers the first words: three symbols in four are shared, as in real lists.
    share = (words & 0xFFFF) / 65_536
    being = _BEINGS[int(len(_BEINGS) * share * share)]
    mood = _MOODS[(words >> 16) % len(_MOODS)]
    tail = _TAILS[(words >> 32) % len(_TAILS)]
    if form == 0:
        return f"{mood} {being}", being.upper()[:8]
    if form == 1:
        return f"{mood} {being} {tail}", f"{mood[0]}{being[0]}{tail[0]}".upper()
    if form == 2:
        return being.lower(), being.lower()
    return f"{mood} {being}".upper(), f"{mood[:4]}{being[:4]}".upper()
