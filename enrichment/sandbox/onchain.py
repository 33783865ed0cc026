"""What the chain itself says of a token, and so every source alike: program, authorities, creator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.chance import Chance, Words
from enrichment.sandbox.mints import texts_of
from enrichment.sandbox.traits import NO_LAUNCHPAD, Flags, Traits
from enrichment.sandbox.universe import SENTINELS
from tokens.mint import USDC, USDT

PROGRAMS = ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
# Token-2022: almost every launch of late 2026, half of what is older.
_SETTLED_2022, _LAUNCHED_2022 = 0.50, 0.95
# Of 230 Jupiter rows recorded on 2026-08-14.
_MINTABLE, _FREEZABLE = 0.11, 0.07


@dataclass(frozen=True, slots=True)
class Origins:
    """Columns, one entry per token. The authorities are addresses whether or not they still may do anything."""

    is_2022: Flags
    is_mintable: Flags
    is_freezable: Flags
    makers: list[str]
    mint_authorities: list[str]
    freeze_authorities: list[str]

    @property
    def programs(self) -> list[str]:
        """The token program of every token."""
        return [PROGRAMS[is_2022] for is_2022 in self.is_2022.tolist()]


def origins_of(chance: Chance, traits: Traits) -> Origins:
    """Return the origins of every token; no launchpad token can be minted or frozen, USDC and USDT can both."""
    ids = traits.ids
    issued = (ids == SENTINELS.index(USDC)) | (ids == SENTINELS.index(USDT))
    free = (traits.launchpad == NO_LAUNCHPAD) & (ids >= len(SENTINELS))
    shares = np.where(traits.is_launch, _LAUNCHED_2022, _SETTLED_2022)
    return Origins(
        is_2022=(ids >= len(SENTINELS)) & (chance.unit("program", ids) < shares),
        is_mintable=issued | (free & (chance.unit("mintable", ids) < _MINTABLE)),
        is_freezable=issued | (free & (chance.unit("freezable", ids) < _FREEZABLE)),
        makers=addresses_of(chance, "dev", ids),
        mint_authorities=addresses_of(chance, "mint authority", ids),
        freeze_authorities=addresses_of(chance, "freeze authority", ids),
    )


def addresses_of(chance: Chance, topic: str, ids: Words) -> list[str]:
    """Return an address per id that is nobody else's, drawn anew for every topic."""
    words = np.stack([chance.bits(f"{topic} {part}", ids) for part in range(4)], axis=1)
    return texts_of(words.astype(">u8").view(np.uint8))
