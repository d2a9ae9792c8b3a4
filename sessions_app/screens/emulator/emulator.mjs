/**
 * The browser's own terminal without a browser: what it makes of a session's bytes is what a window would show.
 *
 * This module and its neighbours read xterm.js's inner state, which has no public face for most of it. The version is
 * pinned, and tests compare every part of that state, so an upgrade that moves something is seen.
 */

import { createRequire } from "node:module";
import { ignoreEndlessRepeats } from "../../../static/js/bounds.js";

const require = createRequire(import.meta.url);
const { Terminal } = require("@xterm/headless");
const { Unicode11Addon } = require("@xterm/addon-unicode11");

/** Lines above the screen that are kept and handed on: a terminal's default. */
export const SCROLLBACK = 500;

const SET = 1; // xterm's ColorRequestType; 2 is restore
const RESTORE = 2;

export class Emulator {
  /** Colours that the program changed: index (256 to 258: text, background, cursor) to [red, green, blue]. */
  colours = new Map();

  /** @param {number} cols @param {number} rows */
  constructor(cols, rows) {
    this.terminal = new Terminal({
      cols: Math.max(2, cols),
      rows: Math.max(1, rows),
      scrollback: SCROLLBACK,
      cursorBlink: true, // as in the page, so that a program's wish to stop it can be told from the default
      allowProposedApi: true,
      logLevel: "off",
    });
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    ignoreEndlessRepeats(this.terminal);
    this.core = this.terminal._core;
    this.input = this.core._inputHandler;
    keepLinksSimply(this.core._oscLinkService);
    this.input.onColor((events) => events.forEach((event) => this.#colour(event)));
  }

  /**
   * @param {Uint8Array | string} data Parsed before this returns. Where xterm.js itself fails on it, the rest of it is
   *   lost, as it is in a browser.
   */
  write(data) {
    try {
      this.input.parse(data);
    } catch {
      this.input._parser.reset();
    }
  }

  /** @param {number} cols @param {number} rows */
  resize(cols, rows) {
    const [width, height] = [Math.max(2, cols), Math.max(1, rows)];
    if (width !== this.terminal.cols || height !== this.terminal.rows) this.terminal.resize(width, height);
  }

  dispose() {
    this.terminal.dispose();
  }

  #colour({ type, index, color }) {
    if (type === SET) this.colours.set(index, color);
    else if (type === RESTORE && index === undefined) {
      for (let i = 0; i < 256; i++) this.colours.delete(i);
    } else if (type === RESTORE) this.colours.delete(index);
  }
}

/**
 * xterm.js follows each link's lines, at a cost that grows with their number for every line that scrolls. Nobody points at
 * links here: what they lead to is all there is to know.
 */
function keepLinksSimply(service) {
  const links = [undefined];
  const known = new Map();
  service.registerLink = (link) => {
    const key = link.id === undefined ? undefined : `${link.id};${link.uri}`;
    if (key !== undefined && known.has(key)) return known.get(key);
    if (key !== undefined) known.set(key, links.length);
    return links.push(link) - 1;
  };
  service.addLineToLink = () => {};
  service.getLinkData = (id) => links[id];
}
