/** Lists the containers that each service means now. A provider that does not answer is told once, above the table. */

import { get } from "porthole/api.js";

const AT_ONCE = 4;

function containerLine(container, shell) {
  const name = container.pod_name ? `${container.pod_name} / ${container.container_name}` : container.container_name;
  const line = document.createElement("li");
  const label = document.createElement(shell && container.state === "running" ? "a" : "span");
  label.className = "mono";
  label.textContent = name;
  if (label.tagName === "A") {
    const wanted = new URLSearchParams({ pod: container.pod_name, container: container.container_name });
    label.href = `${shell}?${wanted}`;
    label.title = "Open a shell in this container";
  }
  const state = document.createElement("span");
  state.className = `state state-${container.state === "running" && container.ready ? "green" : "yellow"}`;
  state.textContent = container.ready || container.state !== "running" ? container.state : "not ready";
  const image = document.createElement("span");
  image.className = "soft";
  image.textContent = container.image;
  line.append(state, label, image);
  return line;
}

function words(text) {
  const said = document.createElement("span");
  said.className = "soft";
  said.textContent = text;
  return said;
}

/** @returns {Promise<string>} Why it failed, or "". */
async function fill(cell) {
  try {
    const containers = await get(`services/${cell.dataset.containers}/containers/`);
    if (containers.length === 0) {
      cell.replaceChildren(words("None is running."));
      return "";
    }
    const list = document.createElement("ul");
    list.append(...containers.map((container) => containerLine(container, cell.dataset.shell)));
    cell.replaceChildren(list);
    return "";
  } catch (error) {
    cell.replaceChildren(words("Not known."));
    return error.detail ?? String(error);
  }
}

async function fillAll(cells, trouble) {
  trouble.hidden = true;
  const waiting = [...cells];
  const failures = new Set();
  const work = async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
      const failure = await fill(cell);
      if (failure) failures.add(failure);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  trouble.hidden = failures.size === 0;
  trouble.querySelector("[data-detail]").textContent = [...failures].join(" ");
}

const cells = document.querySelectorAll("[data-containers]");
const trouble = document.querySelector("#provider-trouble");
if (cells.length > 0) {
  fillAll(cells, trouble);
  trouble.querySelector("[data-retry]").addEventListener("click", () => fillAll(cells, trouble));
}
