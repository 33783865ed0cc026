// What the page knows of each token, and the one rule by which it changes: a patch counts iff it is the next revision.

export const SHOWN = [
  "symbol", "name", "verified", "flags", "status", "first_seen_at", "created_at", "rank",
  "price", "price_status", "price_sources", "price_observed_at", "price_age_s",
  "change_1h", "change_24h", "market_cap", "liquidity", "volume_24h",
];
const PRICE = ["price", "price_status", "price_observed_at"];

export function verdict(mine, revision) {
  if (mine === undefined || revision <= mine.revision) return "old";
  return revision === mine.revision + 1 ? "next" : "gap";
}

export class Ledger {
  constructor() {
    this.tokens = new Map();
  }

  // Take a row of a snapshot: it replaces what is known unless that is newer. Returns the token, or null for old news.
  put(row, seq, nowMs) {
    const mine = this.tokens.get(row.address);
    if (mine !== undefined && mine.revision > row.revision) return null;
    const token = { address: row.address, revision: row.revision, seq, seenMs: null };
    for (const field of SHOWN) token[field] = Object.hasOwn(row, field) ? row[field] : null;
    token.seenMs = seenAt(token, nowMs);
    this.tokens.set(token.address, token);
    return token;
  }

  // Take an event about one token. Returns {verdict, token, changed}.
  patch(message, nowMs) {
    const token = this.tokens.get(message.address);
    const answer = verdict(token, message.revision);
    if (answer !== "next") return { verdict: answer, token, changed: [] };
    const changed = SHOWN.filter((field) => Object.hasOwn(message.data, field));
    for (const field of changed) token[field] = message.data[field];
    token.revision = message.revision;
    token.seq = message.seq;
    if (changed.some((field) => PRICE.includes(field))) {
      token.price_age_s = null;
      token.seenMs = seenAt(token, Date.parse(message.ts)) ?? Math.min(nowMs, Date.parse(message.ts));
    }
    return { verdict: answer, token, changed };
  }

  keepOnly(addresses) {
    for (const address of this.tokens.keys()) if (!addresses.has(address)) this.tokens.delete(address);
  }
}

// When the price was true, in ms: as its source says, else counted back from the age the server gave.
function seenAt(token, nowMs) {
  if (token.price_observed_at !== null) return Date.parse(token.price_observed_at);
  return token.price_age_s === null ? null : nowMs - token.price_age_s * 1000;
}
