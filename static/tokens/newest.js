// The strip of tokens that were heard of last. A flood of them costs one repaint per animation frame.

import { draw } from "./avatar.js";
import { age, short } from "./format.js";
import { setText } from "./row.js";

const SHOWN = 12;

export class Newest {
  constructor({ section, list, template, now }) {
    Object.assign(this, { section, list, template, now });
    this.frame = 0;
    this.coming = [];
    this.seenMs = new Map(); // address -> when first seen
  }

  get addresses() {
    return Array.from(this.list.children, (item) => item.dataset.address);
  }

  add(token) {
    this.coming.push(token);
    if (this.coming.length > SHOWN) this.coming.shift();
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.#draw());
  }

  // A name that was learnt since.
  name(address, symbol) {
    const item = Array.from(this.list.children).find((child) => child.dataset.address === address);
    if (item !== undefined) setText(item.querySelector(".symbol"), symbol ?? "unnamed");
  }

  know(token) {
    if (token.first_seen_at) this.seenMs.set(token.address, Date.parse(token.first_seen_at));
  }

  tick() {
    const nowMs = this.now();
    for (const item of this.list.children) {
      const seenMs = this.seenMs.get(item.dataset.address);
      if (seenMs !== undefined) setText(item.querySelector(".ago"), age((nowMs - seenMs) / 1000));
    }
  }

  #draw() {
    this.frame = 0;
    for (const token of this.coming) this.#show(token);
    this.coming = [];
    while (this.list.children.length > SHOWN) this.#drop(this.list.lastElementChild);
    this.section.hidden = false;
    this.tick();
  }

  #show(token) {
    this.know(token);
    const item = this.template.content.firstElementChild.cloneNode(true);
    const link = item.querySelector("a");
    item.dataset.address = token.address;
    draw(item.querySelector(".avatar"), token.address);
    link.href = link.dataset.base + token.address;
    setText(item.querySelector(".symbol"), token.symbol ?? "unnamed");
    setText(item.querySelector("code"), short(token.address));
    const shown = Array.from(this.list.children).find((child) => child.dataset.address === token.address);
    shown?.remove();
    this.list.prepend(item);
  }

  #drop(item) {
    this.seenMs.delete(item.dataset.address);
    item.remove();
  }
}
