/** The attributes and the link that the next character is written with, said only when they change. */

/** Characters of a link's address; a longer one is left out. */
const MAX_LINK = 2048;

const COLOUR = 0x3ffffff;
const MODE = 0x3000000;
const [P16, P256, RGB] = [0x1000000, 0x2000000, 0x3000000];
const FG_FLAGS = [[0x8000000, 1], [0x20000000, 5], [0x4000000, 7], [0x40000000, 8], [0x80000000, 9]];
const BG_FLAGS = [[0x8000000, 2], [0x4000000, 3], [0x40000000, 53]];
const UNDERLINE = 0x10000000; // of the foreground
const [EXTENDED, PROTECTED] = [0x10000000, 0x20000000]; // of the background
const STYLE_SHIFT = 26;

export class Pen {
  #linkOf;
  // What was asked for last, in the terminal's own numbers: most cells are written as the one before.
  #fg = 0;
  #bg = 0;
  #extended = 0;
  #said = sgr(0, 0, 0);
  #link = 0;

  /** @param {(id: number) => {id?: string, uri: string} | undefined} linkOf */
  constructor(linkOf) {
    this.#linkOf = linkOf;
  }

  /** As a cell was written. */
  cell(line, x) {
    const bg = line.getBg(x);
    const extended = bg & EXTENDED ? line._extendedAttrs[x] : undefined;
    return this.#to(line.getFg(x), bg, extended?._ext ?? 0, extended?.urlId ?? 0);
  }

  /** As the terminal writes now, or will when the cursor is restored. */
  as({ fg, bg, extended }) {
    return this.#to(fg, bg, extended._ext, bg & EXTENDED ? extended.urlId : 0);
  }

  /** As an erased cell. */
  background(colour) {
    return this.#to(0, colour, 0, 0);
  }

  plain() {
    return this.#to(0, 0, 0, 0);
  }

  /** The same once more: a sequence between two characters keeps them apart. */
  again() {
    return this.#said;
  }

  #to(fg, bg, extended, link) {
    if (fg === this.#fg && bg === this.#bg && extended === this.#extended && link === this.#link) return "";
    [this.#fg, this.#bg, this.#extended] = [fg, bg, extended];
    let out = "";
    // Protection from selective erasure is none of SGR's, but xterm.js resets it with the rest.
    const wanted = sgr(fg, bg, extended) + (bg & PROTECTED ? '\x1b[1"q' : "");
    if (wanted !== this.#said) {
      out = (this.#said.endsWith("q") ? '\x1b[0"q' : "") + wanted;
      this.#said = wanted;
    }
    if (link !== this.#link) {
      this.#link = link;
      const target = link ? this.#linkOf(link) : undefined;
      const uri = target && target.uri.length <= MAX_LINK ? target.uri : "";
      out += `\x1b]8;${uri && target.id ? `id=${target.id.slice(0, MAX_LINK)}` : ""};${uri}\x1b\\`;
    }
    return out;
  }
}

function sgr(fg, bg, extended) {
  const codes = ["0"];
  for (const [flag, code] of FG_FLAGS) if (fg & flag) codes.push(code);
  for (const [flag, code] of BG_FLAGS) if (bg & flag) codes.push(code);
  const style = bg & EXTENDED ? (extended >>> STYLE_SHIFT) & 7 : 0;
  if (style > 1) codes.push(`4:${style}`);
  else if (style === 1 || fg & UNDERLINE) codes.push(4);
  codes.push(...colour(fg, 30, 90, 38), ...colour(bg, 40, 100, 48));
  const line = extended & COLOUR;
  if ((line & MODE) === RGB) codes.push(`58:2::${rgb(line).join(":")}`);
  else if (line & MODE) codes.push(`58:5:${line & 255}`);
  return `\x1b[${codes.join(";")}m`;
}

const rgb = (value) => [(value >>> 16) & 255, (value >>> 8) & 255, value & 255];

function colour(value, dark, bright, any) {
  const index = value & 255;
  switch (value & MODE) {
    case P16:
      return [index < 8 ? dark + index : bright + index - 8];
    case P256:
      return [any, 5, index];
    case RGB:
      return [any, 2, ...rgb(value)];
    default:
      return [];
  }
}
