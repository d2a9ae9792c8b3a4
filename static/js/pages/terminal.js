/** The page that is one terminal: opens a session of a service, or attaches the one its address names. */

import { TerminalPanel } from "porthole/pages/terminal-panel.js";

const root = document.querySelector("[data-terminal]");
const config = JSON.parse(document.querySelector("#terminal-config").textContent);
root.toggleAttribute("data-owns-title", true);

const panel = new TerminalPanel(root, config, {
  opened: ({ uid }) => {
    // From now on the address is the session's: a reload attaches it again instead of opening another one.
    const address = config.links.terminal.replace("UID", uid);
    if (location.pathname !== address) history.replaceState(null, "", address + (config.mode === "watch" ? "?watch=1" : ""));
  },
});

if (config.session) panel.attach(config.session);
else panel.open({ service: config.service.id, ...config.target }, config.service.name);
