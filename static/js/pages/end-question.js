/** What to ask before a session ends. */

import { ask } from "porthole/dialog.js";

/** @param {boolean} watching It is somebody else's. @returns {Promise<"" | "detach" | "end">} Empty to let it be. */
export function askHowToEnd(watching) {
  const end = { label: "End it", value: "end", kind: "danger" };
  if (watching) {
    const text = "It is not yours: whoever types in it loses it, with everything it started.";
    return ask({ title: "End this session?", text, choices: [{ label: "Leave it", value: "" }, end] });
  }
  return ask({
    title: "End this session?",
    text: "A command may still be running. Ending the session ends everything it started; detaching lets it run on.",
    choices: [{ label: "Stay", value: "" }, { label: "Detach", value: "detach" }, end],
  });
}
