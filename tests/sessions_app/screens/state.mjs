/** Everything that a terminal shows and everything that decides what later output does to it, as plain values. */

const CELL = 3;
const HAS_CONTENT = 0x3fffff;
const COLOUR = 0x3ffffff;
const MODE = 0x3000000;
const [VISIBLE_FG, VISIBLE_BG] = [0x94000000, 0x40000000];
const [UNDERLINE, EXTENDED, STYLE_SHIFT] = [0x10000000, 0x10000000, 26];

/** @param {import("@xterm/headless").Terminal} terminal @param {number} scrollback Lines of it that count. */
export function stateOf(terminal, scrollback) {
  const core = terminal._core;
  const { normal, alt, active } = core.buffers;
  const { coreService, coreMouseService, optionsService, _charsetService: charset, _inputHandler: input } = core;
  return {
    size: [core.cols, core.rows],
    normal: bufferState(core, normal, scrollback, active === normal),
    alternate: active === alt ? bufferState(core, alt, 0, true) : null,
    title: [input._windowTitle, input._iconName],
    pen: attributes(core, input._curAttrData.fg, input._curAttrData.bg, input._curAttrData.extended),
    charset: [charset.charset, charset.glevel, ...[0, 1, 2, 3].map((level) => charset._charsets[level])].map((set) => (typeof set === "object" ? JSON.stringify(set) : set ?? null)),
    modes: { ...coreService.modes, ...coreService.decPrivateModes, hidden: coreService.isCursorHidden },
    options: [optionsService.rawOptions.convertEol, optionsService.rawOptions.cursorBlink],
    mouse: [coreMouseService.activeProtocol, coreMouseService.activeEncoding],
    parser: input._parser.currentState,
  };
}

function bufferState(core, buffer, scrollback, isActive) {
  const { cols, rows } = core;
  const first = Math.max(0, buffer.ybase - scrollback);
  const lines = [];
  for (let y = first; y < buffer.ybase + rows; y++) {
    const line = buffer.lines.get(y);
    lines.push([y > first && line.isWrapped, ...cells(core, line, cols)].join("|"));
  }
  return {
    cursor: isActive ? [buffer.x, buffer.y] : null,
    saved: [Math.min(buffer.savedX, cols - 1), Math.min(Math.max(buffer.savedY - buffer.ybase, 0), rows - 1)],
    savedPen: attributes(core, buffer.savedCurAttrData.fg, buffer.savedCurAttrData.bg, undefined),
    savedCharset: JSON.stringify(buffer.savedCharset ?? null),
    margins: [buffer.scrollTop, buffer.scrollBottom],
    tabs: Object.keys(buffer.tabs).map(Number).filter((x) => buffer.tabs[x] && x < cols),
    lines,
  };
}

function cells(core, line, cols) {
  const out = [];
  for (let x = 0; x < cols; x++) {
    const [content, fg, bg] = line._data.subarray(x * CELL, x * CELL + CELL);
    const width = content >>> 22;
    const half = (at) => at < cols && !line.hasContent(at) && line.getWidth(at) === 0;
    if (width === 0 && !(content & HAS_CONTENT) && x > 0 && line.getWidth(x - 1) === 2) {
      out.push("<");
      continue;
    }
    const isBlank = !(content & HAS_CONTENT) || (width === 2 && !half(x + 1));
    const isHidden = isBlank && !(fg & VISIBLE_FG) && !(bg & VISIBLE_BG);
    if (isHidden) out.push(`_${colour(bg)}`);
    else out.push(`${isBlank ? " " : line.getString(x)}${isBlank ? 1 : width} ${attributes(core, fg, bg, bg & EXTENDED ? line._extendedAttrs[x] : undefined)}`);
  }
  return out;
}

/** What is left of an older colour in the bits of a palette's does not count. */
const colour = (value) => ((value & MODE) === MODE ? value & COLOUR : value & (MODE | 0xff));

/** Two ways to say the same are one: a single underline. */
function attributes(core, fg, bg, extended) {
  const style = bg & EXTENDED && extended ? (extended._ext >>> STYLE_SHIFT) & 7 : 0;
  const link = bg & EXTENDED && extended?.urlId ? core._oscLinkService.getLinkData(extended.urlId) : undefined;
  return [
    colour(fg) | 0, (fg & 0xfc000000 & ~UNDERLINE) >>> 0, colour(bg), (bg & 0x6c000000) >>> 0,
    style || (fg & UNDERLINE ? 1 : 0), extended && (style || fg & UNDERLINE) ? colour(extended._ext) : 0, link ? `${link.id ?? ""};${link.uri}` : "",
  ].join(",");
}

/** The first difference between two states, or null. */
export function difference(one, other, path = "") {
  if (typeof one !== "object" || one === null || other === null || typeof other !== "object") {
    return Object.is(one, other) ? null : `${path}: ${JSON.stringify(one)} / ${JSON.stringify(other)}`;
  }
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = difference(one[key], other[key], `${path}.${key}`);
    if (found) return found;
  }
  return null;
}
