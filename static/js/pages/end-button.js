/** A button with `data-end` ends that session, after a question. */

import { post } from "porthole/api.js";
import { ask } from "porthole/dialog.js";

/** @param {() => void} done Called once the portal has taken the order. */
export function bindEndButtons(done) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-end]");
    if (!button) return;
    const { end, endWho, endService } = button.dataset;
    const answer = await ask({
      title: "End this session?",
      text: `${endWho} in ${endService}. The shell and everything it started are ended; the recording stays.`,
      choices: [
        { label: "Cancel", value: "" },
        { label: "End it", value: "end", kind: "danger" },
      ],
    });
    if (answer !== "end") return;
    try {
      await post(`sessions/${encodeURIComponent(end)}/terminate/`);
      done();
    } catch (error) {
      await ask({ title: "That did not work", text: error.detail, choices: [{ label: "Close", value: "" }] });
    }
  });
}
