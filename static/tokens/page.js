// Brings the server's table to life: wires the feed to the table, the strip of new tokens, the counts and the pill.

import { Board } from "./board.js";
import { Feed } from "./feed.js";
import { age, count } from "./format.js";
import { Ledger } from "./ledger.js";
import { Newest } from "./newest.js";
import { setText } from "./row.js";

const TOP = 100;
const COUNTS_MS = 15_000;
const WAITING_COUNTS_MS = 3_000; // while the table is empty, somebody is watching it fill
const RESUME_PAUSE_MS = 2_000;

const $ = (id) => document.getElementById(id);
const page = Number($("live").dataset.page);
const clock = { behindMs: Infinity }; // how far this machine's clock runs ahead of the server's, at most
const serverNow = () => Date.now() - clock.behindMs;
learnTime($("live").dataset.now);

const ledger = new Ledger();
const board = new Board({ body: $("rows"), template: $("row-template"), apply: $("apply"), ledger, now: serverNow });
const newest = new Newest({
  section: document.querySelector(".newest"), list: $("newest"), template: $("new-template"), now: serverNow,
});
const feed = new Feed(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/v3/`, { state, message, forget: () => ledger.tokens.clear() });
const unranked = board.members.filter((address) => /\D/.test(board.rows.get(address).places.get("rank").textContent));
let connection = { name: "connecting", sinceMs: null };
let followed = [];
let lastResumeMs = 0;
let countsMs = 0;

if (page === 1) feed.subscribe("board", "top");
const followedRows = page === 1 ? unranked : board.members;
if (followedRows.length > 0) feed.subscribe("rows", "tokens", followedRows);
feed.subscribe("new", "new");
feed.start();
setInterval(tick, 1000);
$("rows").addEventListener("click", (event) => {
  const button = event.target.closest(".copy");
  if (button !== null) copy(button);
});

function message(told) {
  if (told.ts !== undefined) learnTime(told.ts);
  if (told.type === "snapshot") snapshot(told);
  else if (told.type === "token:new") announced(told);
  else if (told.type === "error") refused(told);
  else if (told.type?.startsWith("token:")) changed(told);
}

function snapshot({ channel, seq, data }) {
  for (const row of data) {
    if (channel === "top" || board.has(row.address)) take(row, seq);
    newest.know(row);
    newest.name(row.address, row.symbol);
  }
  if (channel === "top" && data.length > 0) setTop(data.map((row) => row.address)); // a ranking never becomes none
}

function take(row, seq) {
  if (ledger.put(row, seq, serverNow()) !== null) board.touch(row.address, null);
}

function setTop(addresses) {
  const ranked = new Set(addresses);
  const members = [...addresses, ...unranked.filter((address) => !ranked.has(address))].slice(0, TOP);
  ledger.keepOnly(new Set(members));
  board.setMembers(members);
  $("waiting").hidden = true;
  $("board").hidden = false;
  setText($("board-title"), `Top ${members.length} by traded volume`);
}

// `token:new` names every field it knows; on a row we show, it is also the token's first revision.
function announced(told) {
  const token = { ...told.data, address: told.address, revision: told.revision };
  if (board.has(told.address)) take(token, told.seq);
  newest.add(token);
}

function changed(told) {
  const answer = ledger.patch(told, serverNow());
  if (answer.verdict === "next") board.touch(told.address, answer.changed);
  if (answer.verdict === "gap") missed(answer.token);
  if (Object.hasOwn(told.data ?? {}, "symbol")) newest.name(told.address, told.data.symbol);
}

// Something between two revisions never came: replay from where this token was whole, or failing that, start over.
function missed(token) {
  if (Date.now() - lastResumeMs < RESUME_PAUSE_MS) return;
  lastResumeMs = Date.now();
  if (token.resumedAt === token.revision) return void feed.resync();
  token.resumedAt = token.revision;
  feed.resume(token.seq);
}

function refused({ id, code }) {
  if (id === "board" && code === "unknown_channel") {
    feed.unsubscribe("board", "top");
    feed.subscribe("rows", "tokens", board.members);
  }
}

function state(name, sinceMs) {
  if (name !== connection.name) {
    const spoken = { live: "Live.", reconnecting: "Connection lost; what you see may be old.", offline: "Offline." };
    if (name in spoken) setText($("announcer"), spoken[name]);
  }
  connection = { name, sinceMs };
  showConnection();
}

function showConnection() {
  const { name, sinceMs } = connection;
  const since = sinceMs === null ? "" : ` since ${new Date(sinceMs).toLocaleTimeString()}`;
  const lasting = sinceMs === null ? "" : ` (${age((Date.now() - sinceMs) / 1000)})`;
  const texts = { live: "Live", connecting: "Connecting…", reconnecting: `Reconnecting${since}${lasting}`, offline: `Offline${since}` };
  $("connection").dataset.state = name;
  setText($("connection"), texts[name]);
}

function tick() {
  if (document.hidden) return;
  board.tick();
  newest.tick();
  showConnection();
  followNewest();
  const isWaiting = !$("waiting").hidden;
  if (Date.now() - countsMs > (isWaiting ? WAITING_COUNTS_MS : COUNTS_MS)) showCounts();
}

// The strip's tokens are usually nameless when they are announced; following them brings their names.
function followNewest() {
  const wanted = newest.addresses;
  const added = wanted.filter((address) => !followed.includes(address));
  const dropped = followed.filter((address) => !wanted.includes(address) && !followedRows.includes(address));
  if (dropped.length > 0) feed.unsubscribe("newest", "tokens", dropped);
  if (added.length > 0) feed.subscribe("newest", "tokens", wanted, added);
  followed = wanted;
}

async function showCounts() {
  countsMs = Date.now();
  try {
    const counts = await (await fetch("/", { headers: { Accept: "application/json" } })).json();
    setText($("known"), (counts.known_is_estimate ? "≈ " : "") + count(counts.known));
    setText($("priced"), count(counts.priced));
    step("known", counts.known > 0, true);
    step("priced", counts.priced > 0, counts.known > 0);
    step("ranked", false, counts.priced > 0);
  } catch {
    // The pill already says that the server is away.
  }
}

function step(name, isDone, isRunning) {
  $(`step-${name}`).className = isDone ? "is-done" : isRunning ? "is-running" : "";
}

function learnTime(stamp) {
  clock.behindMs = Math.min(clock.behindMs, Date.now() - Date.parse(stamp));
}

async function copy(button) {
  const { address } = button.closest("tr").dataset;
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    copyTheOldWay(address); // an http origin that is not this machine has no clipboard
  }
  button.classList.add("is-done");
  setText($("announcer"), "Address copied.");
  setTimeout(() => button.classList.remove("is-done"), 1200);
}

function copyTheOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
