"""The vendors there are. Another one is a module with a `VENDOR`, and a name here."""

from __future__ import annotations

from enrichment.sandbox import dexscreener, geckoterminal, helius, jupiter, pumpfun

VENDORS = {
    vendor.name: vendor
    for vendor in (jupiter.VENDOR, helius.VENDOR, dexscreener.VENDOR, geckoterminal.VENDOR, pumpfun.VENDOR)
}
