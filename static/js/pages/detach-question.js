/** For how long a session is to stay detached. */

import { ask } from "porthole/dialog.js";

const HOUR = 3600;
const OFFERED = [HOUR / 2, HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR, 7 * 24 * HOUR];

/** @param {number} seconds */
export function spoken(seconds) {
  const [size, unit] = [
    [24 * HOUR, "day"],
    [HOUR, "hour"],
    [60, "minute"],
    [1, "second"],
  ].find(([size]) => seconds >= size && seconds % size === 0) ?? [1, "second"];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/**
 * @param {{usual: number, most: number, endless: boolean}} limits What the session's service allows, in seconds.
 * @returns {Promise<number | null>} Seconds, 0 for no end; null to stay.
 */
export async function askHowLong({ usual, most, endless }) {
  const times = new Set([...OFFERED.filter((seconds) => seconds < most), Math.min(usual, most), most]);
  const label = document.createElement("label");
  label.className = "dialog-field";
  label.append("For ");
  const select = document.createElement("select");
  select.className = "form-select";
  for (const seconds of [...times].sort((one, other) => one - other)) select.add(new Option(spoken(seconds), seconds));
  if (endless) select.add(new Option("no set time: until somebody ends it", 0));
  select.value = String(Math.min(usual, most));
  label.append(select);
  const answer = await ask({
    title: "Detach this session",
    text: "It runs on and is recorded, with everything it started. Attach again from the home page or any client.",
    field: label,
    choices: [
      { label: "Stay", value: "" },
      { label: "Detach", value: "detach", kind: "primary" },
    ],
  });
  return answer === "detach" ? Number(select.value) : null;
}
