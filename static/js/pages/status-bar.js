/** The line above the terminal: where it is, in what state, whose, recorded or not, how large. */

import { STATE_WORDS } from "porthole/phases.js";

export class StatusBar {
  #part;

  #live;

  /** @param {HTMLElement} root @param {"control" | "watch"} mode */
  constructor(root, mode) {
    this.#live = mode === "watch" ? "Watching" : "Live";
    this.#part = (name) => root.querySelector(`[data-${name}]`);
  }

  set phase(phase) {
    const state = this.#part("state");
    state.dataset.state = phase.name === "live" ? phase.state : phase.name;
    const live = { detached: "Detached", ending: "Ending" }[phase.state] ?? this.#live;
    this.#part("state-text").textContent = phase.name === "live" ? live : STATE_WORDS[phase.name];
  }

  /** @param {{service: string, container: string, who: string}} names */
  set names({ service, container, who }) {
    this.#part("service").textContent = service;
    this.#part("container").textContent = container === service ? "" : container;
    this.#part("container").title = container;
    this.#part("who").textContent = who;
  }

  /** @param {"recording" | "gap" | "off"} health */
  set recording(health) {
    const words = { recording: "Recorded", gap: "Recording has a gap" };
    this.#part("rec").hidden = health === "off";
    this.#part("rec").dataset.health = health;
    this.#part("rec-text").textContent = words[health] ?? "";
  }

  set size({ cols, rows }) {
    this.#part("size").textContent = `${cols}×${rows}`;
  }

  /** @param {string | null} url The address a link in the output leads to. */
  set linkTarget(url) {
    this.#part("link-target").hidden = !url;
    this.#part("link-target").textContent = url ?? "";
  }
}
