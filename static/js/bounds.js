/** What a terminal ignores because it would be busy with it for minutes: for the page, and for the portal's own terminals. */

/** Sequences that xterm.js carries out by doing one thing as often as their first number says. */
const REPEATING = ["I", "L", "M", "S", "T", "Z", "b"];

/** More often than any screen has rows or columns. */
const MOST = 10_000;

/** @param {import("@xterm/xterm").Terminal} terminal */
export function ignoreEndlessRepeats(terminal) {
  for (const final of REPEATING) terminal.parser.registerCsiHandler({ final }, ([count]) => count > MOST);
}
