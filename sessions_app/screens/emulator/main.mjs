/**
 * Answers questions about screens: one JSON object a line on standard input, one a line on standard output, in turn.
 *
 *   {"id", "do": "screen", "folder", "offset", "size": [cols, rows], "window": [cols, rows]}
 *       → {"id", "offset", "text", "exact"}: the screen of the session whose journal is in `folder`, as a window of that
 *         size shows it, and the offset up to `offset` that output goes on from. `size` is what the terminal has now.
 *   {"id", "do": "keyframe", "folder", "offset"}
 *       → {"id", "offset"}: a keyframe was appended there, at `offset` or on the way to it.
 *
 *   {"id", "do": "practice"}
 *       → {"id"}: it is ready to be quick.
 *
 * What cannot be answered gets {"id", "error"}. The process ends with its input, and keeps nothing between questions.
 */

import { cut, feed } from "./cut.mjs";
import { Emulator } from "./emulator.mjs";
import { Journal } from "./journal.mjs";
import { append, newest } from "./keyframes.mjs";
import { draw } from "./screen.mjs";

/** Bytes of output after a keyframe that a screen waits for. Of more than that only the newest part is looked at. */
const MAX_TAIL = 4 * 1024 * 1024;
const NEWEST = 1024 * 1024;

/** Bytes of output between two keyframes, at most: what a reader of the recording has to go through. */
const SPACING = 4 * 1024 * 1024;

const PRACTICE = 30;

/** An emulator of the session as it was at the newest keyframe up to an offset. */
function opened(journal, folder, offset) {
  const keyframe = newest(folder, offset);
  const { place, cols, rows, text } = keyframe && journal.holds(keyframe.place) ? keyframe : { ...journal.start(), text: "" };
  const emulator = new Emulator(cols, rows);
  emulator.write(text);
  return { emulator, place };
}

/** Brings an emulator from a place to the last clean cut up to an offset. */
function follow(emulator, journal, from, offset) {
  const bytes = journal.output(from.offset, offset);
  const { length, reopen } = cut(emulator, bytes);
  const { place, sizes } = journal.advance(from, from.offset + length);
  let done = 0;
  for (const size of sizes) {
    const upto = Math.max(done, size.offset - from.offset);
    feed(emulator, bytes.subarray(done, upto));
    emulator.resize(size.cols, size.rows);
    done = upto;
  }
  feed(emulator, bytes.subarray(done, length));
  return { place, reopen };
}

/** The same with a leap over what is too much: modes as they were before it, and what the newest output makes of them. */
function leap(emulator, journal, size, offset) {
  emulator.resize(...size);
  emulator.write("\x18"); // ends whatever began before the leap
  const bytes = journal.output(offset - NEWEST, offset);
  const { length, reopen } = cut(emulator, bytes);
  feed(emulator, bytes.subarray(0, length));
  return { place: { offset: offset - NEWEST + length }, reopen };
}

function screen({ folder, offset, size, window }) {
  const journal = new Journal(folder);
  try {
    const { emulator, place } = opened(journal, folder, offset);
    const exact = offset - place.offset <= MAX_TAIL;
    const reached = exact ? follow(emulator, journal, place, offset) : leap(emulator, journal, size, offset);
    emulator.resize(...window);
    return { offset: reached.place.offset, text: draw(emulator) + reached.reopen, exact };
  } finally {
    journal.close();
  }
}

function keyframe({ folder, offset }) {
  const journal = new Journal(folder);
  try {
    const { emulator, place } = opened(journal, folder, offset);
    const reached = follow(emulator, journal, place, Math.min(offset, place.offset + SPACING));
    const { cols, rows } = emulator.terminal;
    append(folder, { place: reached.place, cols, rows, text: draw(emulator) + reached.reopen });
    return { offset: reached.place.offset };
  } finally {
    journal.close();
  }
}

/** Draws something until the compiler has seen all of it often: the first screens would take ten times as long else. */
function practice() {
  const lines = Array.from({ length: 600 }, (_, n) => `\x1b[${30 + (n % 8)};48;5;${n % 256}m${n}\x1b[m some text 漢字\x1b[K\r\n`);
  for (let i = 0; i < PRACTICE; i++) {
    const emulator = new Emulator(100, 30);
    const bytes = Buffer.from(lines.join(""));
    feed(emulator, bytes.subarray(0, cut(emulator, bytes).length));
    draw(emulator);
    emulator.dispose();
  }
  return {};
}

function answer(line) {
  const question = JSON.parse(line);
  const doing = { screen, keyframe, practice }[question.do];
  try {
    return { id: question.id, ...doing(question) };
  } catch (error) {
    return { id: question.id, error: error.code ?? String(error.message) };
  }
}

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) process.stdout.write(`${JSON.stringify(answer(line))}\n`);
});
process.stdin.on("end", () => process.exit());
process.stdout.on("error", () => process.exit());
// Ctrl-C is for the whole group; the process that asks decides when this one ends.
process.on("SIGINT", () => {});
