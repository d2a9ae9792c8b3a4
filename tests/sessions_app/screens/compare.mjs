/**
 * Compares terminals that were given different things: `{"pairs": [[[step…], [step…]]…], "scrollback": lines}` on standard
 * input, for each pair the first difference (or null) on standard output. A step is `{"size": [cols, rows]}`,
 * `{"text": …}` or `{"base64": …}`; the first one is a size. `{"show": [step…]}` is answered by the lines that show.
 */

import { readFileSync } from "node:fs";
import { difference, stateOf } from "./state.mjs";
import { terminal, written } from "./terminals.mjs";

async function after(steps) {
  const it = terminal(...steps[0].size);
  for (const { size, text, base64 } of steps.slice(1)) {
    if (size) it.resize(...size);
    else await written(it, text ?? Buffer.from(base64, "base64"));
  }
  return it;
}

const { pairs = [], show = null, scrollback = 0 } = JSON.parse(readFileSync(0, "utf8"));
const answer = [];
for (const [one, other] of pairs) {
  answer.push(difference(stateOf(await after(one), scrollback), stateOf(await after(other), scrollback)));
}
if (show) {
  const it = await after(show);
  const buffer = it.buffer.active;
  for (let y = Math.max(0, buffer.baseY - scrollback); y < buffer.baseY + it.rows; y++) {
    answer.push(buffer.getLine(y).translateToString(true));
  }
}
console.log(JSON.stringify(answer));
