/** The Shell tab: a service, a container, and a terminal that connects by itself. */

import { get } from "porthole/api.js";
import { ask } from "porthole/dialog.js";
import { TerminalPanel } from "porthole/pages/terminal-panel.js";

const form = document.querySelector("[data-shell-tab]");
const services = form.elements.service;
const containers = form.elements.container;
const note = form.querySelector("[data-note]");
const config = JSON.parse(document.querySelector("#terminal-config").textContent);
const address = new URL(location.href);

const panel = new TerminalPanel(document.querySelector("[data-terminal]"), config, {
  opened: ({ uid, service }) => remember({ session: uid, service }),
});
let shown = services.value;

/** The address says what is shown: a reload attaches the same session again. */
function remember(state) {
  for (const [name, value] of Object.entries(state)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history.replaceState(null, "", address);
}

function target() {
  const [pod_name = "", container_name = ""] = containers.value ? JSON.parse(containers.value) : [];
  return { service: Number(services.value), ...(pod_name && { pod_name }), ...(container_name && { container_name }) };
}

async function listContainers() {
  const service = services.value;
  containers.replaceChildren(new Option("The first that is ready", ""));
  note.textContent = "";
  try {
    const found = await get(`services/${service}/containers/`);
    if (service !== services.value) return;
    for (const { pod_name, container_name, state } of found) {
      const name = pod_name ? `${pod_name} / ${container_name}` : container_name;
      const option = new Option(state === "running" ? name : `${name} (${state})`, JSON.stringify([pod_name, container_name]));
      option.disabled = state !== "running";
      containers.add(option);
    }
  } catch (error) {
    if (service === services.value) note.textContent = error.detail ?? "";
  }
}

/** Where the chosen service's container has no shell, the terminal offers a console; the button does always. */
function offerConsole() {
  config.console = config.consoles[services.value] ?? null;
  const button = form.querySelector("[data-console]");
  if (!button) return;
  button.hidden = !config.console;
  if (config.console) button.href = config.console.url;
}

function connect() {
  shown = services.value;
  offerConsole();
  remember({ service: services.value, session: "" });
  panel.open(target(), services.selectedOptions[0].textContent);
}

/** What becomes of the shell that is open, before another takes its place. @returns {Promise<boolean>} */
async function mayLeave() {
  if (!panel.live) return true;
  const answer = await ask({
    title: "Leave this shell?",
    text: "It can run on in the background: find it on the home page. Or end it, and everything it started.",
    choices: [
      { label: "Stay", value: "" },
      { label: "End it", value: "end", kind: "danger" },
      { label: "Let it run", value: "detach", kind: "primary" },
    ],
  });
  if (answer === "detach") panel.detach();
  if (answer === "end") await panel.end();
  return answer !== "";
}

services.addEventListener("change", async () => {
  if (!(await mayLeave())) {
    services.value = shown;
    return;
  }
  listContainers();
  connect();
});

containers.addEventListener("change", async () => {
  if (await mayLeave()) connect();
});

form.addEventListener("submit", (event) => event.preventDefault());

listContainers();
offerConsole();
const session = address.searchParams.get("session");
if (session) panel.attach(session);
else connect();
