/** One terminal with its bars, overlay and keys: what the terminal page and the Shell tab are made of. */

import { openAfterAsking } from "porthole/dialog.js";
import { askHowToEnd } from "porthole/pages/end-question.js";
import { askHowLong } from "porthole/pages/detach-question.js";
import { FindBar } from "porthole/pages/find-bar.js";
import { bindKeyBar } from "porthole/pages/key-bar.js";
import { bindLeaving } from "porthole/pages/leaving.js";
import { NoticeBar } from "porthole/pages/notice-bar.js";
import { Overlay } from "porthole/pages/overlay.js";
import { StatusBar } from "porthole/pages/status-bar.js";
import { bindScreenReader, screenReaderWanted } from "porthole/pages/screen-reader.js";
import { tellTypists } from "porthole/pages/watching.js";
import { telling } from "porthole/phases.js";
import { TerminalSession } from "porthole/terminal-session.js";
import { TerminalView } from "porthole/terminal.js";

/** A connection that is back sooner than this was not worth a word. */
const PATIENCE_MS = 700;
/** What it takes to open such a session again: a console's own container is gone by then. */
function targetOf({ service, kind, command, console, pod_name, container_name }) {
  return kind === "console" ? { service, kind, command, ...console } : { service, pod_name, container_name };
}

const QUIET = new Set(["connecting", "waiting"]);

/**
 * @typedef {object} PanelConfig As the server's `terminal-config` says.
 * @property {{id: number | null, name: string}} service
 * @property {{scrollback: number, fontSize: number}} preferences
 * @property {number} detachFor Seconds that a detached session runs on if nobody says how long.
 * @property {Record<string, {title: string, text: string}>} endings
 * @property {{stack: string, home: string, login: string, sessions: string, session: string, terminal: string}} links
 *   `session` and `terminal` hold `UID` where the uid goes.
 * @property {{url: string, elsewhere: string, choices: string[], image: string} | null} [console] Where a console is
 *   opened, if the person may; `elsewhere` where its image is known to have no shell, by one of `choices`; `image` if the
 *   service names one, so that one click is enough.
 * @property {"control" | "watch"} mode
 */

export class TerminalPanel {
  #root;
  #config;
  #view;
  #session;
  #status;
  #notice;
  #overlay;
  #find;
  #target = {};
  #uid = "";
  #limits = { usual: 0, most: 0, endless: false };
  #phase = { name: "opening" };
  #seen = false;
  // The session whose screen is still shown while another one is opened in its place.
  #kept = "";
  #gap = false;
  #later = 0;
  #name = "";
  #opened = () => {};

  /**
   * @param {HTMLElement} root
   * @param {PanelConfig} config
   * @param {{opened?: (session: object) => void}} [handlers] Told when a session is there, new or found.
   */
  constructor(root, config, { opened } = {}) {
    this.#root = root;
    this.#config = config;
    this.#opened = opened ?? this.#opened;
    this.#status = new StatusBar(root, config.mode);
    this.#notice = new NoticeBar(root.querySelector("[data-notice]"));
    this.#overlay = new Overlay(root.querySelector("[data-overlay]"), (act) => this.#act(act));
    this.#view = this.#makeView();
    this.#find = new FindBar(root.querySelector("[data-find]"), this.#view);
    this.#session = this.#makeSession();
    this.#status.size = this.#view.size;
    bindKeyBar(root.querySelector("[data-keys]"), this.#view);
    this.#bindButtons();
    if (config.mode === "watch") tellTypists(root.querySelector("[data-screen]"), () => this.live, this.#notice);
    document.addEventListener("porthole:theme", (event) => {
      this.#view.dark = event.detail === "dark";
    });
    addEventListener("beforeunload", (event) => this.mayBeRunning && event.preventDefault());
    bindLeaving({
      leave: () => this.live && config.mode === "control" && this.#session.leave(),
      back: () => this.#uid && this.attach(this.#uid),
    });
  }

  /** True while leaving might interrupt a command. */
  get mayBeRunning() {
    return this.#session.live && this.#config.mode === "control" && this.#view.looksBusy;
  }

  get live() {
    return this.#session.live;
  }

  /**
   * @param {{service: number, pod_name?: string, container_name?: string}} target
   * @param {string} name
   * @param {boolean} [keep] Leave what is on the screen until the new session is there.
   */
  open(target, name, keep = false) {
    this.#target = target;
    this.#config.service = { id: target.service, name };
    this.#status.names = { service: name, container: target.pod_name || target.container_name || "", who: "" };
    this.#fresh(keep);
    return this.#session.open(target);
  }

  /** @param {string} uid */
  attach(uid) {
    this.#uid = uid;
    this.#fresh();
    return this.#session.attach(uid);
  }

  detach() {
    this.#session.detach();
  }

  /** End the session and everything it started, without a question. */
  async end() {
    try {
      await this.#session.end();
    } catch (error) {
      this.#notice.show(error.detail ?? "The session could not be ended. Try again.");
    }
  }

  focus() {
    this.#view.focus();
  }

  // -- made of -----------------------------------------------------------------------------------------------------

  #makeView() {
    const { preferences } = this.#config;
    return new TerminalView(this.#root.querySelector("[data-screen]"), {
      dark: document.documentElement.dataset.bsTheme === "dark",
      scrollback: preferences.scrollback,
      fontSize: preferences.fontSize,
      piped: this.#config.piped,
      screenReader: screenReaderWanted(),
      handlers: {
        input: (bytes) => this.#session.type(bytes) && this.#notice.hide(),
        resized: (cols, rows) => {
          this.#status.size = { cols, rows };
          this.#session?.resize(cols, rows);
        },
        title: (title) => this.#entitle(title),
        link: (url) => openAfterAsking(url),
        linkHover: (url) => {
          this.#status.linkTarget = url;
        },
        shortcut: (event) => this.#shortcut(event),
      },
    });
  }

  #makeSession() {
    const handlers = {
      phase: (phase) => this.#enter(phase),
      session: (session) => this.#know(session),
      notice: (frame) => this.#notify(frame),
    };
    return new TerminalSession(this.#view, handlers, this.#config.mode);
  }

  #fresh(keep = false) {
    if (!keep) this.#kept = "";
    else if (this.#seen) this.#kept = this.#uid;
    this.#seen = this.#gap = false;
    this.#notice.hide();
  }

  #know(session) {
    this.#uid = session.uid;
    this.#limits = { usual: this.#config.detachFor, most: session.detach_ttl_max, endless: session.detach_without_end };
    this.#target = targetOf(session);
    const container = session.pod_name ? `${session.pod_name} / ${session.container_name}` : session.container_name;
    this.#status.names = { service: session.service_name, container, who: session.user ?? "" };
    this.#root.querySelector('[data-act="copy-id"]').hidden = false;
    this.#root.querySelector('[data-act="copy-id"]').dataset.copy = session.uid;
    this.#name = [session.service_name, session.pod_name || session.container_name].filter(Boolean).join(" · ");
    this.#entitle("");
    this.#opened(session);
  }

  #entitle(title) {
    if (this.#root.hasAttribute("data-owns-title")) {
      document.title = [this.#name, title].filter(Boolean).join(" — ") || "Terminal";
    }
  }

  // -- phases ------------------------------------------------------------------------------------------------------

  #enter(phase) {
    const before = this.#phase.name;
    this.#phase = phase;
    clearTimeout(this.#later);
    if (phase.name === "waiting") phase.until = performance.now() + phase.milliseconds;
    if (phase.name === "connecting") phase.again = this.#seen;
    if (phase.name === "live") {
      this.#seen = true;
      this.#kept = "";
    }
    this.#status.phase = phase;
    this.#enable(phase);
    if (this.#seen && QUIET.has(phase.name)) {
      // Once said, it stays said until the connection is back.
      if (this.#root.querySelector("[data-overlay]").hidden) this.#later = setTimeout(() => this.#tell(), PATIENCE_MS);
      else this.#tell();
    } else {
      this.#tell();
    }
    if (phase.name === "live" && before !== "live") this.#view.focus();
    if (["ended", "detached", "refused"].includes(phase.name)) this.#rest();
  }

  #tell() {
    const { links, endings, service } = this.#config;
    const uid = this.#kept || this.#uid;
    const filled = Object.fromEntries(Object.entries(links).map(([name, url]) => [name, url.replace("UID", uid)]));
    filled.login += `?${new URLSearchParams({ next: location.pathname + location.search })}`;
    const told = telling(this.#phase, {
      links: filled,
      endings,
      service: service.name || "the container",
      container: this.#target.pod_name || this.#target.container_name || "",
      seen: this.#seen,
      mayOpen: this.#config.mayOpen,
      kind: this.#target.kind ?? "shell",
      console: this.#config.console,
      asked: this.#target,
      kept: this.#kept !== "",
    });
    if (told) this.#overlay.show(told);
    else this.#overlay.hide();
    this.#say(told ? `${told.title}. ${told.text}` : "Connected.");
  }

  #say(text) {
    const live = this.#root.querySelector("[data-live]");
    if (live.textContent !== text) live.textContent = text;
  }

  #rest() {
    this.#view.freeze();
    this.#notice.hide();
    this.#overlay.focus();
  }

  #enable(phase) {
    const live = phase.name === "live";
    const mine = this.#config.mode === "control";
    const over = ["ended", "detached", "refused"].includes(phase.name);
    this.#root.querySelector('[data-act="detach"]').disabled = !(live && mine);
    this.#root.querySelector('[data-act="end"]').disabled = !(live && (mine || this.#config.mayEnd));
    this.#root.querySelector("[data-keys]").hidden = over || !mine;
    // While the connection is lost and while it is detached, the session still runs and is still recorded.
    const runs = live || ((phase.name === "detached" || QUIET.has(phase.name)) && this.#seen);
    this.#status.recording = runs ? (this.#gap ? "gap" : "recording") : "off";
  }

  #notify(frame) {
    if (frame.code === "idle_warning") {
      const text = (left) => `${frame.detail} The session ends in ${left}.`;
      this.#notice.countDown(frame.seconds ?? 120, text, { label: "Stay", act: () => this.#stay() });
      return;
    }
    this.#gap ||= frame.code === "recording_gap";
    this.#enable(this.#phase);
    this.#notice.show(frame.detail);
  }

  #stay() {
    this.#session.stay();
    this.#view.focus();
  }

  // -- what the person asks for --------------------------------------------------------------------------------------

  #act(act) {
    const acts = {
      // What could not even be looked up is tried again, not opened anew.
      open: () => (this.#target.service ? this.open(this.#target, this.#config.service.name, true) : this.attach(this.#uid)),
      console: () => this.open({ service: this.#target.service, kind: "console" }, this.#config.service.name),
      cancel: () => this.end(),
      attach: () => this.attach(this.#uid),
      retry: () => this.#session.retryNow(),
      reload: () => location.reload(),
    };
    acts[act]?.();
  }

  #bindButtons() {
    const on = (act, handler) => this.#root.querySelector(`[data-act="${act}"]`).addEventListener("click", handler);
    on("find", () => this.#find.open());
    on("detach", () => this.#detach());
    on("end", () => this.#end());
    bindScreenReader(this.#root.querySelector('[data-act="screen-reader"]'), this.#view);
  }

  async #detach() {
    const ttl = await askHowLong(this.#limits);
    if (ttl === null) this.focus();
    else this.#session.detach(ttl);
  }

  async #end() {
    const watching = this.#config.mode === "watch";
    const answer = watching || this.#view.looksBusy ? await askHowToEnd(watching) : "end";
    if (answer === "detach") this.detach();
    if (answer === "end") await this.end();
  }

  #shortcut(event) {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return false;
    const key = event.key.toLowerCase();
    if (key !== "f" && key !== "l") return false;
    event.preventDefault();
    if (key === "f") this.#find.open();
    else this.#root.querySelector('.term-actions button:not([hidden])').focus();
    return true;
  }
}
