/**
 * Random streams of sequences: cut anywhere, the screen at the cut and the rest make a terminal equal to one that took
 * everything. `node random.mjs FIRST COUNT` prints what does not hold, and exits with 1 then.
 *
 * Left out is what xterm.js keeps to itself: where a cursor was saved once the scrollback was erased above it, a character
 * set that only a restored cursor has, links of lines that were erased, and the wait to wrap behind an erased cell.
 */

import { cut, feed } from "../../../sessions_app/screens/emulator/cut.mjs";
import { Emulator } from "../../../sessions_app/screens/emulator/emulator.mjs";
import { draw } from "../../../sessions_app/screens/emulator/screen.mjs";
import { difference, stateOf } from "./state.mjs";
import { terminal, written } from "./terminals.mjs";

const SCROLLBACK = 500;
const TEXTS = ["hello", "x", "漢字", "日本語テスト", "👩‍👩‍👧", "🇩🇪", "e\u0301", "─│┌", "…", "  ", "word ", "äöü", "~"];
const CONTROLS = ["\n", "\r", "\b", "\t", "\v", "\x0e", "\x0f", "\x07", "\u0084", "\u0085", "\u0088", "\x00", "\x18"];
const STYLES = [
  "0", "1", "2", "3", "4", "5", "7", "8", "9", "21", "22", "24", "27", "31", "42", "97", "103", "39", "49", "38;5;9",
  "38;5;200", "48;5;17", "48;2;1;2;3", "38;2;250;2;3", "4:3", "4:5", "4;58:5:9", "58:2::1:2:3", "53", "1;4;31;44",
]; // prettier-ignore
const MODES = ["1", "6", "7", "12", "25", "45", "66", "9", "1000", "1002", "1003", "1004", "1006", "1016", "2004", "47", "1047", "1049", "2026"]; // prettier-ignore
const OTHERS = [
  "\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1b[g", "\x1b[3g", "\x1b=", "\x1b>", "\x1b#8", "\x1bc",
  "\x1b[!p", "\x1b[2 @", "\x1b[1 A", "\x1b[2'}", "\x1b[1'~", "\x1b[?J", "\x1b[?2K", "\x1b[0\"q", "\x1b[1\"q", "\x1b[c", "\x1b[6n",
  "\x1bP$qm\x1b\\", "\x1b^x\x1b\\", "\x1b]52;c;aGk=\x07", "\x1b]4;3;rgb:11/22/33\x07", "\x1b[12\n;3H", "\x1b", "\x1b[", "\u009b3m", "\x1b]0;broken\x1b[31m",
]; // prettier-ignore

/** mulberry32: the same numbers from the same seed, everywhere. */
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Source {
  #next;

  constructor(seed) {
    this.#next = numbers(seed);
  }

  below(limit) {
    return Math.floor(this.#next() * limit);
  }

  of(list) {
    return list[this.below(list.length)];
  }

  stream(length) {
    return Buffer.from(Array.from({ length }, () => this.#item()).join(""));
  }

  #item() {
    const n = (limit) => this.below(limit);
    const kinds = [
      () => this.of(TEXTS).repeat(1 + n(n(10) ? 3 : 30)),
      () => this.of(TEXTS),
      () => "\r\n",
      () => this.of(CONTROLS),
      () => `\x1b[${n(14)};${n(24)}H`,
      () => `\x1b[${n(5)}${this.of([..."ABCDEFGIZ`ade"])}`,
      () => this.of(["\x1b[J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K"]),
      () => `\x1b[${n(5)}${this.of([..."LMPST@Xb"])}`,
      () => `\x1b[${this.of(STYLES)}m`,
      () => `\x1b[${this.of(STYLES)}m`,
      () => `\x1b[?${this.of(MODES)}${this.of(["h", "l"])}`,
      () => `\x1b[${this.of(["4", "20"])}${this.of(["h", "l", "l"])}`,
      () => `\x1b[${n(5)};${3 + n(10)}r`,
      () => `\x1b${this.of([..."()*+"])}${this.of([..."0AB4K"])}`,
      () => `\x1b]${n(3)};title ${n(9)}${this.of(["\x07", "\x1b\\"])}`,
      () => `\x1b[${n(9)} q`,
      () => this.of(OTHERS),
    ];
    return this.of(kinds)();
  }
}

/** Behind an erased last cell nothing can wait, in a terminal that is drawn anew; nor can it be beyond its width. */
function isOddlyParked({ core }) {
  const { active } = core.buffers;
  const line = active.lines.get(active.ybase + active.y);
  const last = core.cols - 1;
  return active.x > core.cols || (active.x === core.cols && line.getWidth(last) === 1 && !line.hasContent(last));
}

function hasOddCharset({ core }) {
  const { charset, glevel, _charsets: sets } = core._charsetService;
  return charset !== sets[glevel];
}

async function check(seed) {
  const source = new Source(seed);
  const size = [10 + source.below(20), 2 + source.below(12)];
  const [before, after] = [source.stream(source.below(300)), source.stream(60)];
  const end = source.below(before.length + 1);
  const whole = Buffer.concat([before, after]);

  const emulator = new Emulator(...size);
  const { length, reopen } = cut(emulator, whole.subarray(0, end));
  feed(emulator, whole.subarray(0, length));
  if (isOddlyParked(emulator) || hasOddCharset(emulator)) return null;
  const stayed = terminal(...size);
  await written(stayed, whole.subarray(0, length));
  const came = terminal(...size);
  await written(came, draw(emulator) + reopen);
  const first = difference(stateOf(stayed, SCROLLBACK), stateOf(came, SCROLLBACK));
  if (first) return `at ${length}: ${first}`;
  await written(stayed, whole.subarray(length));
  await written(came, whole.subarray(length));
  const later = difference(stateOf(stayed, SCROLLBACK), stateOf(came, SCROLLBACK));
  return later && `after ${length}: ${later}`;
}

const [from, count] = process.argv.slice(2).map(Number);
for (let seed = from; seed < from + count; seed++) {
  const found = await check(seed);
  if (found) {
    console.log(`seed ${seed} ${found.slice(0, 600)}`);
    process.exitCode = 1;
  }
}
