// One token's row: finds the places the server rendered and fills them. Data only ever becomes text, never markup.

import { draw } from "./avatar.js";
import { UNKNOWN, age, amount, direction, percent, price, short } from "./format.js";

const ADDRESS = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;
const FRESH_MS = 120_000; // as FRESH_S of tokens/templatetags/tokens.py
const GRAVE = new Set(["spoof_of", "is_sus", "has_foreign_mint", "mixed_script"]); // as GRAVE_FLAGS there
const FLASH_MS = 300;

export class Row {
  constructor(element) {
    this.element = element;
    this.address = element.dataset.address;
    this.places = new Map(Array.from(element.querySelectorAll("[data-cell]"), (place) => [place.dataset.cell, place]));
    this.shownFresh = null;
    element.querySelector(".copy").hidden = false;
  }

  static clone(template, address) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.address = address;
    draw(element.querySelector(".avatar"), address);
    const row = new Row(element);
    row.places.get("mint").title = address;
    setText(row.places.get("mint"), short(address));
    if (ADDRESS.test(address)) for (const link of element.querySelectorAll("a[data-base]")) link.href = link.dataset.base + address;
    return row;
  }

  // Paint the named fields; `null` paints all of them.
  paint(token, fields, nowMs) {
    const has = (name) => fields === null || fields.has(name);
    if (has("rank")) setText(this.places.get("rank"), token.rank === null ? UNKNOWN : String(token.rank));
    if (has("symbol")) this.#paintSymbol(token);
    if (has("name")) setText(this.places.get("name"), token.name ?? "");
    if (has("verified") || has("flags")) this.#paintBadges(token);
    if (has("price")) this.#paintAmount("price", price(token.price), token.price);
    for (const name of ["volume_24h", "liquidity", "market_cap"]) {
      if (has(name)) this.#paintAmount(name, amount(token[name]), token[name]);
    }
    for (const name of ["change_1h", "change_24h"]) if (has(name)) this.#paintDelta(name, token[name]);
    this.tick(token, nowMs);
  }

  // Repaint what time alone changes; writes only where the text differs.
  tick(token, nowMs) {
    const born = token.created_at ?? token.first_seen_at;
    const bornAt = this.places.get("age");
    setText(bornAt, age(born === null ? null : (nowMs - Date.parse(born)) / 1000));
    const word = standing(token);
    const seen = token.seenMs === null ? "" : age((nowMs - token.seenMs) / 1000);
    const isFresh = word === "ok" && token.seenMs !== null && nowMs - token.seenMs <= FRESH_MS;
    const text = [word === "ok" ? "" : word, seen].filter(Boolean).join(" · ");
    const key = `${text} ${isFresh}`;
    if (key === this.shownFresh) return;
    this.shownFresh = key;
    this.#paintFresh(token, word, text, isFresh);
    const label = token.created_at === null ? "first seen" : "created";
    bornAt.title = born === null ? "" : `${label} ${born}`;
  }

  flash(isUp) {
    const tint = isUp ? "var(--up-tint)" : "var(--down-tint)";
    this.places.get("price").animate([{ backgroundColor: tint }, { backgroundColor: "transparent" }], FLASH_MS);
  }

  #paintSymbol(token) {
    setText(this.places.get("symbol"), token.symbol ?? "unnamed");
    for (const link of this.element.querySelectorAll("a[data-base]")) {
      link.setAttribute("aria-label", `${token.symbol ?? token.address} on ${link.title}`);
    }
  }

  #paintBadges(token) {
    const flags = [...(token.flags ?? [])].sort((one, other) => GRAVE.has(other) - GRAVE.has(one));
    const badges = flags.map((flag) => badge(words(flag), GRAVE.has(flag) ? "grave" : "", flag));
    if (token.verified) badges.unshift(spoken(badge("verified", "verified", "verified")));
    this.places.get("badges").replaceChildren(...badges);
  }

  #paintAmount(name, text, full) {
    const place = this.places.get(name);
    setText(place, text);
    place.title = full === null ? "" : `$${full}`;
  }

  #paintDelta(name, value) {
    const delta = this.places.get(name).firstElementChild;
    delta.className = `delta ${direction(value)}`;
    setText(delta, percent(value));
  }

  #paintFresh(token, word, text, isFresh) {
    const place = this.places.get("fresh").firstElementChild;
    place.className = `standing ${word}${isFresh ? " is-fresh" : ""}`;
    setText(place, text);
    const at = token.seenMs === null ? [] : [(token.price_sources ?? []).join(", "), new Date(token.seenMs).toISOString()];
    place.title = [word, ...at].filter(Boolean).join(" · ");
  }
}

// The one word for how far to believe a row, as in tokens/templatetags/tokens.py.
export function standing(token) {
  if (token.status === "removed" || (token.status === "pending" && token.price === null)) return token.status;
  return token.price_status ?? "unavailable";
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function words(flag) {
  return flag.replace(/^is_/, "").replace(/_of$/, "").replaceAll("_", " ");
}

// The sign alone is shown; the word is for those who hear the page.
function spoken(element) {
  const word = document.createElement("span");
  word.className = "only-spoken";
  word.textContent = element.textContent;
  element.replaceChildren(word);
  return element;
}

function badge(text, kind, title) {
  const element = document.createElement("span");
  element.className = `badge ${kind}`;
  element.title = title;
  element.textContent = text;
  return element;
}
