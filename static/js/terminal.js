/**
 * One terminal on the screen: xterm.js with its addons, and everything hostile output could ask of it turned off or
 * bounded. It knows nothing of sockets and pages: bytes go in by `write`, come out by the `input` handler.
 *
 * The clipboard stays out of reach of output: without its addon xterm.js ignores OSC 52.
 */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import { ignoreEndlessRepeats } from "porthole/bounds.js";
import { WholeCharacters } from "porthole/characters.js";
import { allowScriptedStyles } from "porthole/csp.js";
import { boundTitle, safeLink, sanitizePaste } from "porthole/sanitize.js";
import { terminalTheme } from "porthole/terminal-theme.js";

const FONT =
  '"Cascadia Mono", "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace';
const RESIZE_MS = 60;
// What xterm.js itself says to a program that asks: device attributes, status, cursor, mode, window and colour reports,
// settings. No key types any of them, but Shift-F3, which looks like a cursor's report.
const ANSWER = /^\x1b(?:\[[?>]?[\d;]*(?:[cnRtx]|\$y)|\]\d+;|P[\d]*[$+>!|])/;
const PROMPT = /^.{0,200}[$#%>❯]( |$)/;

const encoder = new TextEncoder();

/**
 * @typedef {object} TerminalHandlers
 * @property {(bytes: Uint8Array) => void} input What was typed or pasted.
 * @property {(cols: number, rows: number) => void} resized
 * @property {(title: string) => void} title What the program calls itself, bounded.
 * @property {(url: string, event: MouseEvent) => void} link A link whose text may hide its target was chosen.
 * @property {(url: string | null) => void} linkHover
 * @property {(event: KeyboardEvent) => boolean} shortcut True if the page took the key.
 */

export class TerminalView {
  #element;
  #piped;
  #handlers;
  #terminal;
  #fit = new FitAddon();
  #search = new SearchAddon();
  #observer;
  #resizeTimer = 0;
  #characters = new WholeCharacters();
  #muted = false;
  #modifier = "";

  /**
   * @param {HTMLElement} element Where it goes; it takes the element's whole size.
   * @param {object} options
   * @param {boolean} options.dark
   * @param {number} options.scrollback Lines.
   * @param {number} options.fontSize
   * @param {boolean} [options.piped] What it shows comes from no terminal, so lines end without a carriage return.
   * @param {boolean} [options.screenReader]
   * @param {boolean} [options.webgl] False to use the DOM renderer from the start.
   * @param {TerminalHandlers} options.handlers
   */
  constructor(element, { dark, scrollback, fontSize, piped = false, screenReader = false, webgl = true, handlers }) {
    this.#element = element;
    this.#piped = piped;
    this.#handlers = handlers;
    allowScriptedStyles();
    this.#terminal = new Terminal({
      allowProposedApi: true, // unicode versions and search decorations
      theme: terminalTheme(dark),
      scrollback,
      convertEol: piped,
      fontSize,
      fontFamily: FONT,
      screenReaderMode: screenReader,
      minimumContrastRatio: 4.5,
      cursorBlink: true,
      macOptionIsMeta: true,
      rightClickSelectsWord: false,
      linkHandler: this.#linkHandler(),
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new Unicode11Addon());
    this.#terminal.loadAddon(new WebLinksAddon((event, url) => this.#open(event, url), this.#hover()));
    this.#terminal.unicode.activeVersion = "11";
    ignoreEndlessRepeats(this.#terminal);
    this.#terminal.open(element);
    if (webgl) this.#useWebgl();
    this.#listen();
    this.#fit.fit();
  }

  get size() {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  get renderer() {
    return this.#element.querySelector(".xterm-screen > canvas:not(.xterm-link-layer)") ? "webgl" : "dom";
  }

  /** @param {Uint8Array | string} output @param {() => void} rendered Called once it is on the screen. */
  write(output, rendered) {
    this.#terminal.write(typeof output === "string" ? output : this.#characters.take(output), rendered);
  }

  /** While muted, as in a replay, xterm.js answers a program's queries to nobody. What a person types still leaves. */
  set muted(muted) {
    this.#muted = muted;
  }

  /** Read only, with the cursor still: after the end. */
  freeze() {
    this.#terminal.options.disableStdin = true;
    this.#terminal.options.cursorBlink = false;
  }

  reset() {
    this.#terminal.reset();
    this.#characters.reset();
    this.#terminal.options.convertEol = this.#piped; // a mode that a program can set, and a reset leaves
    this.#terminal.options.disableStdin = false;
    this.#terminal.options.cursorBlink = true;
  }

  focus() {
    this.#terminal.focus();
  }

  set dark(dark) {
    this.#terminal.options.theme = terminalTheme(dark);
  }

  set screenReader(on) {
    this.#terminal.options.screenReaderMode = on;
  }

  fit() {
    if (this.#element.clientWidth > 0 && this.#element.clientHeight > 0) this.#fit.fit();
  }

  /** @param {number} cols @param {number} rows Take another window's size: for a watcher, who must not set its own. */
  setSize(cols, rows) {
    this.#observer.disconnect();
    this.resize(cols, rows);
  }

  /** @param {number} cols @param {number} rows For what was drawn for this size, until it fits the window again. */
  resize(cols, rows) {
    this.#terminal.resize(cols, rows);
  }

  get selection() {
    return this.#terminal.getSelection();
  }

  clearSelection() {
    this.#terminal.clearSelection();
  }

  /** @param {string} text As from the clipboard. */
  paste(text) {
    this.#terminal.paste(sanitizePaste(text));
  }

  /**
   * A key of the key bar. @param {string} key A character, or Escape, Tab, ArrowUp, ArrowDown, ArrowLeft, ArrowRight.
   */
  press(key) {
    const application = this.#terminal.modes.applicationCursorKeysMode ? "\x1bO" : "\x1b[";
    const arrows = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D" };
    const named = { Escape: "\x1b", Tab: "\t" };
    const sequence = arrows[key] ? application + arrows[key] : (named[key] ?? key);
    this.#terminal.input(sequence, true);
  }

  /** The next typed character is taken with this key held. @param {"" | "ctrl" | "alt"} modifier */
  set modifier(modifier) {
    this.#modifier = modifier;
  }

  get modifier() {
    return this.#modifier;
  }

  /** @param {string} text @param {"next" | "previous"} direction @param {boolean} [whileTyping] */
  find(text, direction, whileTyping = false) {
    const options = {
      incremental: whileTyping,
      decorations: {
        matchBackground: "#f4d35e", matchOverviewRuler: "#b38600",
        activeMatchBackground: "#ee964b", activeMatchColorOverviewRuler: "#c05621",
      },
    };
    return direction === "next" ? this.#search.findNext(text, options) : this.#search.findPrevious(text, options);
  }

  /** @param {(found: {resultIndex: number, resultCount: number}) => void} handler */
  onFound(handler) {
    this.#search.onDidChangeResults(handler);
  }

  endFind() {
    this.#search.clearDecorations();
  }

  /**
   * True while a command may be running: a full-screen program, or a cursor's line that does not begin like a prompt.
   * A guess, and made to err on the side of asking.
   */
  get looksBusy() {
    const buffer = this.#terminal.buffer.active;
    if (buffer.type === "alternate") return true;
    const line = buffer.getLine(buffer.baseY + buffer.cursorY)?.translateToString(true) ?? "";
    return !PROMPT.test(line);
  }

  dispose() {
    this.#observer.disconnect();
    clearTimeout(this.#resizeTimer);
    this.#terminal.dispose();
  }

  // ---------------------------------------------------------------------------------------------------------------

  #listen() {
    const { input, resized, title, shortcut } = this.#handlers;
    this.#terminal.onData((text) => (this.#muted && ANSWER.test(text)) || input(encoder.encode(this.#modify(text))));
    // Only the mouse speaks this way: somebody moved it.
    this.#terminal.onBinary((text) => input(Uint8Array.from(text, (char) => char.charCodeAt(0) & 255)));
    this.#terminal.onTitleChange((text) => title(boundTitle(text)));
    this.#terminal.onResize(({ cols, rows }) => resized(cols, rows));
    this.#terminal.attachCustomKeyEventHandler((event) => !this.#clipboardKey(event) && !shortcut(event));
    // Before xterm's own listener, which pastes the text as it is.
    this.#element.addEventListener("paste", (event) => this.#onPaste(event), { capture: true });
    this.#observer = new ResizeObserver(() => {
      clearTimeout(this.#resizeTimer);
      this.#resizeTimer = setTimeout(() => this.fit(), RESIZE_MS);
    });
    this.#observer.observe(this.#element);
  }

  #onPaste(event) {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData("text/plain") ?? "");
  }

  /** Ctrl-C with a selection copies it; Ctrl-Shift-C and Ctrl-Shift-V are the browser's copy and paste. */
  #clipboardKey(event) {
    if (event.type !== "keydown" || !event.ctrlKey || event.altKey) return false;
    const key = event.key.toLowerCase();
    if (key === "v" && event.shiftKey) return true;
    if (key !== "c" || !this.#terminal.hasSelection()) return false;
    event.preventDefault();
    navigator.clipboard?.writeText(this.selection);
    this.clearSelection();
    return true;
  }

  #modify(text) {
    const modifier = this.#modifier;
    if (!modifier || text.length !== 1) return text;
    this.#modifier = "";
    this.#element.dispatchEvent(new CustomEvent("modifier-used", { bubbles: true }));
    if (modifier === "alt") return `\x1b${text}`;
    const code = text.toUpperCase().charCodeAt(0);
    return code >= 63 && code <= 95 ? String.fromCharCode(code === 63 ? 127 : code & 31) : text;
  }

  #useWebgl() {
    const addon = new WebglAddon();
    // The graphics driver may take the context away at any time; the DOM renderer then goes on.
    addon.onContextLoss(() => addon.dispose());
    try {
      this.#terminal.loadAddon(addon);
    } catch {
      addon.dispose();
    }
  }

  /** OSC 8: the text on the screen may claim another address than the link has, so the page asks first. */
  #linkHandler() {
    return {
      allowNonHttpProtocols: false,
      activate: (event, text) => {
        const url = safeLink(text);
        if (url) this.#handlers.link(url, event);
      },
      ...this.#hover(),
    };
  }

  #hover() {
    return {
      hover: (_event, text) => this.#handlers.linkHover(safeLink(text)),
      leave: () => this.#handlers.linkHover(null),
    };
  }

  /** An address that is itself the text on the screen. */
  #open(_event, text) {
    const url = safeLink(text);
    if (url) window.open(url, "_blank", "noopener,noreferrer");
  }
}
