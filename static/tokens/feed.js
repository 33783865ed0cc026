// The WebSocket that heals itself: subscribes after each welcome, resumes from the last sequence it saw, and comes back
// after a growing, jittered pause. It knows nothing of the page; `listener` hears `state(name, sinceMs)`,
// `message(m)`, and `forget()` before fresh snapshots replace everything.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const STEADY_MS = 10_000; // a connection that lasted this long was a good one: the next pause starts small again
const SILENT_BEATS = 3; // heartbeats missed before a connection counts as dead

export function pauseMs(failures, random) {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return ceiling / 2 + (random * ceiling) / 2;
}

export class Feed {
  constructor(url, listener) {
    this.url = url;
    this.listener = listener;
    this.wanted = new Map(); // id -> subscription request
    this.lastSeq = null;
    this.failures = 0;
    this.socket = null;
    this.isWelcome = false;
    this.downSinceMs = null;
    this.heardMs = 0;
    this.heartbeatMs = 15_000;
  }

  start() {
    addEventListener("online", () => this.#open());
    addEventListener("offline", () => this.#tell());
    addEventListener("pageshow", (event) => event.persisted && this.#open());
    setInterval(() => this.#watch(), 1000);
    this.#open();
  }

  // Follow the addresses from now on and after every reconnect; only `added` are asked for at once.
  subscribe(id, channel, addresses, added = addresses) {
    const request = (some) => ({ op: "subscribe", id, channel, ...(some && { addresses: some }) });
    this.wanted.set(id, request(addresses));
    if (this.isWelcome) this.#send(request(added));
  }

  unsubscribe(id, channel, addresses) {
    this.wanted.delete(id);
    if (this.isWelcome) this.#send({ op: "unsubscribe", id: `-${id}`, channel, ...(addresses && { addresses }) });
  }

  resume(seq) {
    this.#send({ op: "resume", since_seq: seq });
  }

  // Ask for fresh snapshots of everything: what was missed cannot be replayed.
  resync() {
    this.listener.forget();
    for (const request of this.wanted.values()) this.#send(request);
  }

  #open() {
    clearTimeout(this.timer);
    if (this.socket !== null) return;
    const socket = new WebSocket(this.url);
    let openedMs = null;
    this.socket = socket;
    this.heardMs = Date.now();
    socket.addEventListener("open", () => { openedMs = Date.now(); });
    socket.addEventListener("message", (event) => socket === this.socket && this.#hear(event.data));
    socket.addEventListener("close", () => socket === this.socket && this.#lost(openedMs));
    this.#tell();
  }

  #hear(text) {
    this.heardMs = Date.now();
    const message = JSON.parse(text);
    if (message.type === "welcome") return this.#welcome(message);
    if (message.type === "resync_required") return this.#startOver(message.seq ?? null);
    if (message.type === "going_away") this.retryAfterMs = message.retry_after_ms;
    this.listener.message(message);
    if (Number.isInteger(message.seq) && message.type !== "subscribed") {
      this.lastSeq = Math.max(this.lastSeq ?? 0, message.seq);
    }
    return undefined;
  }

  #welcome(message) {
    this.heartbeatMs = (message.heartbeat_s ?? 15) * 1000;
    this.isWelcome = true;
    this.downSinceMs = null;
    if (this.lastSeq !== null && message.seq < this.lastSeq) return this.#startOver(null); // another database
    const since = this.lastSeq === null ? {} : { since_seq: this.lastSeq };
    for (const request of this.wanted.values()) this.#send({ ...request, ...since });
    this.#tell();
    return undefined;
  }

  #startOver(seq) {
    this.lastSeq = seq;
    this.resync();
    this.#tell();
  }

  #lost(openedMs) {
    this.socket = null;
    this.isWelcome = false;
    this.downSinceMs ??= Date.now();
    this.failures = openedMs !== null && Date.now() - openedMs > STEADY_MS ? 0 : this.failures + 1;
    const pause = Math.max(this.retryAfterMs ?? 0, pauseMs(this.failures, Math.random()));
    this.retryAfterMs = undefined;
    this.timer = setTimeout(() => this.#open(), pause);
    this.#tell();
  }

  // A connection that lies dead without a close (a laptop that slept) is found by its silence.
  #watch() {
    if (this.socket === null || Date.now() - this.heardMs < SILENT_BEATS * this.heartbeatMs) return;
    const dead = this.socket;
    this.#lost(null);
    dead.close();
  }

  #send(request) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  #tell() {
    if (this.isWelcome) this.listener.state("live", null);
    else if (!navigator.onLine) this.listener.state("offline", this.downSinceMs);
    else if (this.downSinceMs === null) this.listener.state("connecting", null);
    else this.listener.state("reconnecting", this.downSinceMs);
  }
}
