/** Terminals as the page has them, without the page. */

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { Terminal } = require("@xterm/headless");
const { Unicode11Addon } = require("@xterm/addon-unicode11");

export function terminal(cols, rows, scrollback = 500) {
  const it = new Terminal({ cols, rows, scrollback, cursorBlink: true, allowProposedApi: true, logLevel: "off" });
  it.loadAddon(new Unicode11Addon());
  it.unicode.activeVersion = "11";
  return it;
}

/** @param {Terminal} it @param {Uint8Array | string} output */
export const written = (it, output) => new Promise((resolve) => it.write(output, resolve));
