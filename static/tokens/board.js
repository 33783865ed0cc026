// The table: keeps a row per token, paints what changed once per animation frame, and follows the ranks, except while
// somebody points at the table or works in it, for rows that move cause wrong clicks.

import { Row, setText } from "./row.js";

export class Board {
  constructor({ body, template, apply, ledger, now }) {
    Object.assign(this, { body, template, apply, ledger, now });
    this.rows = new Map(Array.from(body.children, (element) => [element.dataset.address, new Row(element)]));
    this.members = [...this.rows.keys()];
    this.dirty = new Map(); // address -> set of fields, or null for all
    this.isOrdered = true;
    this.frame = 0;
    this.mayFlash = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;
    apply.addEventListener("click", () => { document.activeElement?.blur(); this.#arrange(); });
    body.addEventListener("pointerleave", () => this.#schedule());
    body.addEventListener("focusout", () => this.#schedule());
  }

  has(address) {
    return this.rows.has(address);
  }

  // Make these the table's tokens, in the order given where no rank decides.
  setMembers(addresses) {
    this.members = addresses;
    this.isOrdered = false;
    this.#schedule();
  }

  touch(address, fields) {
    const waiting = this.dirty.get(address);
    if (fields === null || waiting === null) this.dirty.set(address, null);
    else this.dirty.set(address, new Set([...(waiting ?? []), ...fields]));
    if (fields === null || fields.includes("rank")) this.isOrdered = false;
    this.#schedule();
  }

  tick() {
    const nowMs = this.now();
    for (const [address, row] of this.rows) {
      const token = this.ledger.tokens.get(address);
      if (token !== undefined) row.tick(token, nowMs);
    }
  }

  #schedule() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = 0;
    const nowMs = this.now();
    for (const [address, fields] of this.dirty) this.#paint(address, fields, nowMs);
    this.dirty.clear();
    if (!this.isOrdered) this.#settle();
  }

  #paint(address, fields, nowMs) {
    const row = this.rows.get(address);
    const token = this.ledger.tokens.get(address);
    if (row === undefined || token === undefined) return;
    const before = row.shownPrice;
    row.paint(token, fields, nowMs);
    row.shownPrice = token.price;
    if (before !== undefined && before !== token.price && token.price !== null && this.mayFlash()) {
      row.flash(Number(token.price) >= Number(before));
    }
  }

  #settle() {
    const order = this.#order();
    const moved = order.filter((address, at) => this.body.children[at]?.dataset.address !== address).length;
    const isWrong = moved > 0 || order.length !== this.body.children.length;
    if (isWrong && this.#isInUse()) return this.#offer(Math.max(moved, 1));
    return isWrong ? this.#arrange() : this.#calm();
  }

  #order() {
    const rank = (address) => this.ledger.tokens.get(address)?.rank ?? Infinity;
    return [...this.members].sort((one, other) => compare(rank(one), rank(other)));
  }

  #isInUse() {
    const isPointedAt = matchMedia("(hover: hover)").matches && this.body.matches(":hover");
    return isPointedAt || this.body.contains(document.activeElement);
  }

  #offer(moved) {
    setText(this.apply, `${moved} ${moved === 1 ? "row" : "rows"} moved — apply`);
    this.apply.hidden = false;
  }

  #calm() {
    this.apply.hidden = true;
    this.isOrdered = true;
  }

  #arrange() {
    const order = this.#order();
    const kept = new Set(order);
    for (const [address, row] of this.rows) if (!kept.has(address)) this.#remove(address, row);
    order.forEach((address, at) => {
      const { element } = this.rows.get(address) ?? this.#add(address);
      if (this.body.children[at] !== element) this.body.insertBefore(element, this.body.children[at] ?? null);
    });
    this.#calm();
  }

  #remove(address, row) {
    row.element.remove();
    this.rows.delete(address);
  }

  #add(address) {
    const row = Row.clone(this.template, address);
    this.rows.set(address, row);
    const token = this.ledger.tokens.get(address);
    if (token !== undefined) {
      row.paint(token, null, this.now());
      row.shownPrice = token.price;
    }
    return row;
  }
}

function compare(one, other) {
  return one === other ? 0 : one - other;
}
