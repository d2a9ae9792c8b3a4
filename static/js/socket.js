/**
 * A client of `porthole.v1`: one session's bytes, both ways, over sockets that may be lost and come back.
 *
 * It counts the bytes it received and names that offset when it reconnects, so the server sends exactly what follows.
 * It knows nothing of the terminal: whoever uses it is told of bytes and answers with `rendered(offset)`.
 */

import { Backoff } from "porthole/backoff.js";
import { InputPacer } from "porthole/input-pacer.js";

export const PROTOCOL = "porthole.v1";
const TICKET_PREFIX = "ticket.";

const CONNECT_MS = 15_000;
const ACK_BYTES = 64 * 1024;
const ACK_MS = 50;
const PING_MS = 15_000;
/** A socket that says nothing for so long after a ping is lost, whatever the browser still believes. */
const SILENCE_MS = 10_000;

const NORMAL = 1000;
const isFinal = (code) => code === NORMAL || (code >= 4400 && code <= 4499);

/**
 * @typedef {object} Handlers What the user of the socket is told.
 * @property {() => void} connecting A try begins.
 * @property {(frame: {state: string, offset: number, head: number, cols: number, rows: number, missed: number,
 *   screens: number}) => void} attached The next byte is at `offset`; what the log already holds ends at `head`. So many
 *   pieces of a screen come first.
 * @property {(text: string, last: boolean) => void} screen What makes a terminal in its initial state show the session.
 * @property {(bytes: Uint8Array, offset: number) => void} bytes The first of them is at `offset`.
 * @property {(frame: object) => void} state
 * @property {(frame: {code: string, detail: string}) => void} notice
 * @property {(frame: {ttl: number | null}) => void} detached
 * @property {(frame: {reason: string, exit_code: number | null, detail: string}) => void} ended
 * @property {(wait: {milliseconds: number, tries: number}) => void} waiting The connection is lost; the next try follows.
 * @property {(unsent: number) => void} inputLost Bytes of input that were still waiting to be sent.
 * @property {(why: {code: number, detail: string, error?: Error}) => void} closed For good: nothing is retried.
 */

export class SessionSocket {
  #handlers;
  #fetchTicket;
  #url;
  #size;
  #mode;
  #backoff = new Backoff();
  #input;
  /** @type {WebSocket | null} */
  #socket = null;
  #attached = false;
  #finished = false;
  /** @type {number | null} */
  #received = null;
  /** Pieces of the screen that are still to come. */
  #screens = 0;
  #rendered = 0;
  #acknowledged = 0;
  #lastHeard = 0;
  #errorDetail = "";
  #timers = { retry: 0, connect: 0, ack: 0, ping: 0, silence: 0 };
  #attempt = 0;

  /**
   * @param {object} options
   * @param {string} options.url The session's WebSocket address.
   * @param {() => Promise<string>} options.fetchTicket A fresh single-use ticket. An error with `passing` false ends it.
   * @param {() => {cols: number, rows: number}} options.size The window's size now.
   * @param {"control" | "watch"} [options.mode]
   * @param {Handlers} options.handlers
   */
  constructor({ url, fetchTicket, size, mode = "control", handlers }) {
    this.#url = new URL(url, location.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#fetchTicket = fetchTicket;
    this.#size = size;
    this.#mode = mode;
    this.#handlers = handlers;
    this.#input = new InputPacer((frame) => this.#socket?.send(frame));
    addEventListener("online", this.#online);
  }

  get attached() {
    return this.#attached;
  }

  connect() {
    if (this.#finished || this.#socket) return;
    this.#try();
  }

  /** Do not wait for the backoff. */
  retryNow() {
    if (this.#finished || this.#socket || !this.#timers.retry) return;
    clearTimeout(this.#timers.retry);
    this.#timers.retry = 0;
    this.#try();
  }

  /** Bytes to type. @param {Uint8Array} bytes @returns {boolean} False when there is no connection: nothing was kept. */
  type(bytes) {
    if (!this.#attached || this.#mode === "watch") return false;
    this.#input.push(bytes);
    return true;
  }

  /** @param {number} offset Every byte below it is on the screen. */
  rendered(offset) {
    this.#rendered = Math.max(this.#rendered, offset);
    if (this.#rendered - this.#acknowledged >= ACK_BYTES) this.#acknowledge();
    else if (!this.#timers.ack) this.#timers.ack = setTimeout(() => this.#acknowledge(), ACK_MS);
  }

  /** @param {number} cols @param {number} rows */
  resize(cols, rows) {
    this.#control({ type: "resize", cols, rows });
  }

  /** @param {number | null} ttl Seconds the session runs on; null for the default. */
  detach(ttl = null) {
    this.#control({ type: "detach", ttl });
  }

  /** The person closes the window. */
  leave() {
    this.#control({ type: "leave" });
  }

  /** The person is still there. */
  stay() {
    this.#control({ type: "stay" });
  }

  /** Leave for good, without a word to the handlers. The session runs on for its grace. */
  dispose() {
    this.#finish();
    this.#socket?.close(NORMAL);
    this.#socket = null;
  }

  // -- one try ---------------------------------------------------------------------------------------------------

  async #try() {
    const attempt = ++this.#attempt;
    this.#handlers.connecting();
    let ticket;
    try {
      ticket = await this.#fetchTicket();
    } catch (error) {
      if (attempt !== this.#attempt || this.#finished) return;
      if (error.passing) this.#retryLater(error.retryAfter);
      else this.#close({ code: 0, detail: error.detail ?? String(error), error });
      return;
    }
    if (attempt !== this.#attempt || this.#finished) return;
    this.#open(ticket);
  }

  #open(ticket) {
    const socket = new WebSocket(this.#url, [PROTOCOL, TICKET_PREFIX + ticket]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#errorDetail = "";
    // Late events of a socket that was given up must not touch the one that took its place.
    const ifCurrent = (act) => (event) => socket === this.#socket && act(event);
    socket.addEventListener("open", ifCurrent(() => this.#hello()));
    socket.addEventListener("message", ifCurrent((event) => this.#message(event.data)));
    socket.addEventListener("close", ifCurrent((event) => this.#lost(event.code, event.reason)));
    this.#timers.connect = setTimeout(() => this.#drop(), CONNECT_MS);
  }

  #hello() {
    const { cols, rows } = this.#size();
    // Half a screen is none: it takes another whole one.
    if (this.#screens > 0) this.#received = null;
    this.#screens = 0;
    this.#control({ type: "hello", cols, rows, offset: this.#received, mode: this.#mode, screen: true });
  }

  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#lost(1006, "");
    socket.close();
  }

  #lost(code, reason) {
    this.#attached = false;
    this.#stopTimers();
    const unsent = this.#input.reset() + (this.#socket?.bufferedAmount ?? 0);
    this.#socket = null;
    if (unsent > 0) this.#handlers.inputLost(unsent);
    if (isFinal(code)) this.#close({ code, detail: this.#errorDetail || reason });
    else this.#retryLater(null);
  }

  #retryLater(seconds) {
    const milliseconds = seconds === null ? this.#backoff.next() : seconds * 1000;
    this.#timers.retry = setTimeout(() => {
      this.#timers.retry = 0;
      this.#try();
    }, milliseconds);
    this.#handlers.waiting({ milliseconds, tries: this.#backoff.tries });
  }

  #close(why) {
    this.#finish();
    this.#handlers.closed(why);
  }

  #finish() {
    this.#finished = true;
    this.#attached = false;
    this.#attempt += 1;
    this.#stopTimers();
    clearTimeout(this.#timers.retry);
    removeEventListener("online", this.#online);
  }

  #online = () => this.retryNow();

  // -- frames ----------------------------------------------------------------------------------------------------

  #control(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #message(data) {
    this.#lastHeard = performance.now();
    if (typeof data === "string") this.#controlFrame(JSON.parse(data));
    else this.#bytes(new Uint8Array(data));
  }

  #bytes(bytes) {
    const offset = this.#received ?? 0;
    this.#received = offset + bytes.length;
    this.#handlers.bytes(bytes, offset);
  }

  #controlFrame(frame) {
    switch (frame.type) {
      case "attached":
        this.#onAttached(frame);
        break;
      case "input_ack":
        this.#input.acknowledge(frame.bytes);
        break;
      case "screen":
        this.#screens -= 1;
        this.#handlers.screen(frame.data, this.#screens === 0);
        break;
      case "state":
      case "notice":
      case "detached":
      case "ended":
        this.#handlers[frame.type](frame);
        break;
      case "error":
        this.#errorDetail = frame.detail;
        break;
      default: // "pong", and frames of a later server
    }
  }

  #onAttached(frame) {
    clearTimeout(this.#timers.connect);
    this.#attached = true;
    this.#backoff.reset();
    this.#received = frame.offset;
    this.#screens = frame.screens ?? 0;
    this.#rendered = Math.max(this.#rendered, frame.missed ? frame.offset : 0);
    this.#acknowledged = Math.min(this.#rendered, frame.offset);
    this.#timers.ping = setInterval(() => this.#ping(), PING_MS);
    this.#handlers.attached({ missed: 0, screens: 0, head: frame.offset, ...frame });
  }

  #acknowledge() {
    clearTimeout(this.#timers.ack);
    this.#timers.ack = 0;
    if (!this.#attached || this.#rendered <= this.#acknowledged) return;
    this.#acknowledged = this.#rendered;
    this.#control({ type: "ack", offset: this.#rendered });
  }

  // -- is it still there -----------------------------------------------------------------------------------------

  #ping() {
    const asked = performance.now();
    this.#control({ type: "ping" });
    this.#timers.silence = setTimeout(() => {
      if (this.#lastHeard < asked) this.#drop();
    }, SILENCE_MS);
  }

  #stopTimers() {
    clearTimeout(this.#timers.connect);
    clearTimeout(this.#timers.ack);
    clearInterval(this.#timers.ping);
    clearTimeout(this.#timers.silence);
    this.#timers.connect = this.#timers.ack = this.#timers.ping = this.#timers.silence = 0;
  }
}
