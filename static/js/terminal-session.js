/**
 * One session on one terminal: opens or attaches it through the API, joins the socket to the screen, and says what phase
 * it is in. It knows nothing of buttons and overlays.
 *
 * Phases: `opening`, `connecting`, `starting`, `live`, `waiting`, `detached`, `ended`, `refused`.
 */

import { ApiError, get, post } from "porthole/api.js";
import { SessionSocket } from "porthole/socket.js";

const OVER = ["stopped", "failed"];

/** @typedef {{name: string, [key: string]: unknown}} Phase */

/**
 * @typedef {object} SessionHandlers
 * @property {(phase: Phase) => void} phase
 * @property {(session: object) => void} session The session as the API tells it.
 * @property {(frame: {code: string, detail: string, seconds?: number}) => void} notice
 */

export class TerminalSession {
  #view;
  #handlers;
  #mode;
  /** @type {SessionSocket | null} */
  #socket = null;
  #uid = "";
  #ticket = "";
  #replays = false;
  #mutedBelow = 0;
  #asked = 0;
  #over = false;
  /** What the screen shows is from before: it stays until there is something to show instead. */
  #stale = false;

  /**
   * @param {import("porthole/terminal.js").TerminalView} view
   * @param {SessionHandlers} handlers
   * @param {"control" | "watch"} [mode]
   */
  constructor(view, handlers, mode = "control") {
    this.#view = view;
    this.#handlers = handlers;
    this.#mode = mode;
  }

  get uid() {
    return this.#uid;
  }

  get live() {
    return this.#socket?.attached ?? false;
  }

  /**
   * Open a new session.
   * @param {{service: number, pod_name?: string, container_name?: string}} target
   */
  async open(target) {
    const asked = this.#begin({ name: "opening" });
    let session;
    try {
      session = await post("sessions/", { ...target, ...this.#view.size });
    } catch (error) {
      if (asked === this.#asked) this.#refuse(error);
      return;
    }
    if (asked !== this.#asked) return;
    this.#ticket = session.ticket;
    this.#replays = false;
    this.#join(session);
  }

  /** Attach to a session that exists. @param {string} uid */
  async attach(uid) {
    const asked = this.#begin({ name: "connecting" });
    this.#uid = uid;
    let session;
    try {
      session = await get(`sessions/${encodeURIComponent(uid)}/`);
    } catch (error) {
      if (asked === this.#asked) this.#refuse(error);
      return;
    }
    if (asked !== this.#asked) return;
    this.#replays = true;
    if (OVER.includes(session.state)) this.#tellEnd(session);
    else this.#join(session);
  }

  /** @param {Uint8Array} bytes */
  type(bytes) {
    return this.#socket?.type(bytes) ?? false;
  }

  resize(cols, rows) {
    if (this.#mode === "control") this.#socket?.resize(cols, rows);
  }

  /** @param {number | null} [ttl] Seconds it runs on, 0 for no end; the default without. */
  detach(ttl = null) {
    this.#socket?.detach(ttl);
  }

  /** The person closes the window. */
  leave() {
    this.#socket?.leave();
  }

  stay() {
    this.#socket?.stay();
  }

  retryNow() {
    this.#socket?.retryNow();
  }

  /** End it, and everything it started. @throws {ApiError} */
  async end() {
    await post(`sessions/${encodeURIComponent(this.#uid)}/terminate/`);
  }

  /** Leave without a word; the session runs on for its grace. */
  dispose() {
    this.#asked += 1;
    this.#socket?.dispose();
    this.#socket = null;
  }

  // ---------------------------------------------------------------------------------------------------------------

  #begin(phase) {
    this.dispose();
    this.#over = false;
    this.#stale = true;
    this.#handlers.phase(phase);
    return this.#asked;
  }

  #join(session) {
    this.#uid = session.uid;
    this.#handlers.session(session);
    this.#socket = new SessionSocket({
      url: session.websocket_url ?? `/ws/sessions/${encodeURIComponent(session.uid)}/`,
      fetchTicket: () => this.#nextTicket(),
      size: () => this.#view.size,
      mode: this.#mode,
      handlers: this.#socketHandlers(),
    });
    this.#socket.connect();
  }

  /** The ticket that came with the session is good for its first connection. */
  async #nextTicket() {
    const first = this.#ticket;
    this.#ticket = "";
    if (first) return first;
    return (await post(`sessions/${encodeURIComponent(this.#uid)}/ticket/`)).ticket;
  }

  #socketHandlers() {
    const { phase, notice } = this.#handlers;
    return {
      connecting: () => phase({ name: "connecting" }),
      waiting: (wait) => phase({ name: "waiting", ...wait }),
      attached: (frame) => this.#attached(frame),
      screen: (text, last) => this.#screen(text, last),
      bytes: (bytes, offset) => this.#bytes(bytes, offset),
      state: (frame) => this.#state(frame),
      notice,
      detached: (frame) => this.#finish({ name: "detached", ttl: frame.ttl }),
      ended: (frame) => this.#finish({ name: "ended", ...frame }),
      inputLost: (unsent) => notice({ code: "input_lost", detail: `${unsent} bytes of a paste were not sent.` }),
      closed: (why) => this.#closed(why),
    };
  }

  #attached(frame) {
    if (this.#stale || frame.screens > 0) this.#view.reset();
    this.#stale = false;
    // A first look at a session that ran before: what asks the terminal a question in it has had its answer.
    this.#mutedBelow = this.#replays || frame.screens > 0 ? frame.head : 0;
    this.#replays = false;
    this.#view.muted = frame.offset < this.#mutedBelow;
    if (frame.missed > 0) {
      this.#handlers.notice({ code: "recording_gap", detail: `${frame.missed} bytes could not be kept and are missing.` });
    }
    if (this.#mode !== "watch" && frame.screens > 0) this.#view.resize(frame.cols, frame.rows);
    this.#state(frame);
  }

  #screen(text, last) {
    this.#view.write(text, () => last && this.#mode === "control" && this.#view.fit());
  }

  #bytes(bytes, offset) {
    const end = offset + bytes.length;
    const socket = this.#socket;
    this.#view.write(bytes, () => {
      if (socket !== this.#socket) return;
      if (end >= this.#mutedBelow) this.#view.muted = false;
      socket.rendered(end);
    });
  }

  #state(frame) {
    // A session that says which stream its output is of has no terminal, and so no size to follow.
    if (this.#mode === "watch" && frame.cols && !frame.stream) this.#view.setSize(frame.cols, frame.rows);
    if (["requested", "provisioning"].includes(frame.state)) this.#handlers.phase({ name: "starting", detail: frame.detail ?? "" });
    else this.#handlers.phase({ name: "live", state: frame.state });
  }

  #finish(phase) {
    this.#over = true;
    this.#handlers.phase(phase);
  }

  async #closed({ code, detail, error }) {
    if (this.#over) return;
    if (error || code === 1000) await this.#explain(error);
    else this.#handlers.phase({ name: "refused", code, detail });
  }

  /** The socket cannot say why: the session's row can. */
  async #explain(error) {
    const asked = this.#asked;
    try {
      const session = await get(`sessions/${encodeURIComponent(this.#uid)}/`);
      if (asked !== this.#asked) return;
      if (OVER.includes(session.state)) this.#tellEnd(session);
      else this.#refuse(error ?? new ApiError(0, "closed", "The portal closed the connection."));
    } catch (cause) {
      if (asked === this.#asked) this.#refuse(error ?? cause);
    }
  }

  #tellEnd(session) {
    this.#handlers.session(session);
    this.#finish({
      name: "ended",
      reason: session.end_reason,
      exit_code: session.exit_code,
      detail: session.end_detail ?? "",
    });
  }

  #refuse(error) {
    if (!(error instanceof ApiError)) throw error;
    this.#over = true;
    this.#handlers.phase({ name: "refused", code: error.code, detail: error.detail, status: error.status, body: error.body });
  }
}
