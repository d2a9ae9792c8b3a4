/** What a person is told in each phase of a session, and the next step as a button. Words only: no elements. */

/**
 * @typedef {object} Telling
 * @property {"cover" | "banner" | "foot"} place In the middle, over the running terminal, or below what stays readable.
 * @property {string} title
 * @property {string} text
 * @property {boolean} [busy] Something is under way.
 * @property {number} [until] Count down to this moment (`performance.now()`).
 * @property {{act: string, label: string, href?: string}[]} actions The first is the likely next step.
 */

const AGAIN = { act: "open", label: "Open again" };
const RETRY = { act: "open", label: "Try again" };
const CONSOLE = { act: "console", label: "Open a console" };
const CANCEL = { act: "cancel", label: "Cancel" };
const ATTACH = { act: "attach", label: "Attach again" };

/** @param {object} links @returns {Record<string, {act: string, label: string, href: string}>} */
function linked({ stack, home, session, login }) {
  return {
    stack: { act: "link", label: stack ? "Back to the stack" : "Home", href: stack || home },
    record: { act: "link", label: "See the recording", href: session },
    login: { act: "link", label: "Sign in", href: login },
  };
}

const minutes = (seconds) => {
  if (seconds === null) return "until somebody ends it";
  if (seconds < 90) return `for ${seconds} seconds`;
  if (seconds < 3600) return `for ${Math.round(seconds / 60)} minutes`;
  const hours = Math.round(seconds / 3600);
  return hours === 1 ? "for an hour" : `for ${hours} hours`;
};

function opening(_phase, { service, kind }) {
  if (kind === "console") {
    return { place: "cover", busy: true, title: `Opening a console of ${service}`, text: "Looking for what to make it like…" };
  }
  return { place: "cover", busy: true, title: `Opening a shell in ${service}`, text: "Looking for its container…" };
}

function connecting(phase, { service }) {
  return { place: phase.again ? "banner" : "cover", busy: true, title: `Connecting to ${service}`, text: "" };
}

function starting(phase, { container, service, kind }) {
  if (kind === "console") {
    const text = phase.detail || "A fresh container with the same environment is being made.";
    return { place: "cover", busy: true, title: `Preparing a console of ${service}`, text, actions: [CANCEL] };
  }
  return {
    place: "cover",
    busy: true,
    title: "Waiting for the container",
    text: `The shell starts in ${container || service} as soon as it answers.`,
  };
}

function waiting(phase) {
  return {
    place: "banner",
    title: "The connection is lost",
    text: "Nothing is lost in the container. What you type now is not sent.",
    until: phase.until,
    actions: [{ act: "retry", label: "Retry now" }],
  };
}

function detached(phase, context) {
  return {
    place: "foot",
    title: "Detached",
    text: `The session runs on ${minutes(phase.ttl)}. Attach to it from here or from the home page.`,
    actions: [ATTACH, linked(context.links).stack],
  };
}

function ended(phase, context) {
  const { endings, links } = context;
  const told = endings[phase.reason] ?? { title: "The session is over", text: "" };
  const to = linked(links);
  if (lacksShell(phase)) return noShell(to, context);
  if (context.kind === "console" && NOT_STARTED.has(phase.reason) && !context.seen) return notStarted(phase, to, context);
  const code = phase.exit_code === null || phase.exit_code === undefined ? "" : ` Exit code ${phase.exit_code}.`;
  const actions = phase.reason === "access_revoked" ? [to.stack, to.record] : [AGAIN, to.stack, to.record];
  return { place: context.seen ? "foot" : "cover", title: told.title, text: `${phase.detail || told.text}${code}`, actions };
}

const NOT_STARTED = new Set(["provider_error", "target_gone"]);

function notStarted(phase, to, { console }) {
  const change = console ? [{ act: "link", label: "Ask for something else", href: console.url }] : [];
  return { place: "cover", title: "The console did not start", text: phase.detail, actions: [...change, RETRY, to.stack] };
}

/** A command that the image lacks has the same code as a shell that it lacks: the sentence tells them apart. */
const lacksShell = ({ detail }) => / has no shell\./.test(detail ?? "");

/** One click opens a console where the service names an image for it; else the person says what it shall be made of,
 * as far as the service lets choose. Nothing is offered that would end here again. */
function noShell(to, { console, kind, asked }) {
  const [text, ...offers] = withoutShell(console, kind === "console" ? asked : null);
  return { place: "cover", title: "This image has no shell", text, actions: [...offers, to.stack] };
}

/** `tried` is the console that had none, if it was one. */
function withoutShell(console, tried) {
  if (!console) return ["So there is nothing to open here. Through the API you can give a command that the image has."];
  if (console.image && !tried) {
    return ["A console has one: a fresh container with the same environment, for you alone.", CONSOLE];
  }
  const needs = "A console needs one as well";
  if (!console.choices.length) return [`${needs}. Whoever manages the service can name an image for its consoles.`];
  const [another, choose] = [console.choices.join(" or "), console.choices.map((name) => ARTICLES[name]).join(" or ")];
  const text = tried
    ? `${needs}: choose another ${another} that has it.`
    : `A console of another ${another} may have one, with the same environment.`;
  // What was chosen for that console says nothing of the image that there is without a choice.
  const chosen = tried && (tried.docker_tag || (tried.image && tried.image !== console.image));
  return [text, { act: "link", label: `Choose ${choose}`, href: chosen ? console.url : console.elsewhere }];
}

const ARTICLES = { tag: "a tag", image: "an image" };

function limit(phase, context, to) {
  const inside = `${context.links.sessions}?${new URLSearchParams({ service: context.service })}`;
  return {
    place: "cover",
    title: "All places are taken",
    text: phase.detail,
    actions: [RETRY, { act: "link", label: "See who is in", href: inside }, to.stack],
  };
}

/** By the API's code or the socket's close code: title, and what to offer. */
const REFUSED = {
  permission_denied: ["You may not open a shell here", ["stack"]],
  not_found: ["There is no such session", ["stack"]],
  not_authenticated: ["You are signed out", ["login"]],
  provider_unreachable: ["The provider does not answer", [RETRY, "stack"]],
  provider_misconfigured: ["The provider is not set up correctly", ["stack", RETRY]],
  provider_refused: ["The provider refused", ["stack", RETRY]],
  no_shell: ["There is no such program", ["stack", RETRY]],
  provider_error: ["The provider failed", [RETRY, "stack"]],
  container_not_found: ["No container is running", [RETRY, "stack"]],
  no_consoles: ["There are no consoles here", ["stack"]],
  invalid_target: ["This service names no container", ["stack"]],
  throttled: ["Too many requests", [RETRY, "stack"]],
  offline: ["The portal does not answer", [RETRY]],
  4400: ["This page and the portal do not understand each other", [{ act: "reload", label: "Reload the page" }]],
  4401: ["You are signed out", ["login"]],
  4403: ["Access was revoked", ["stack", "record"]],
  4404: ["There is no such session", ["stack"]],
  4409: ["Opened in another window", [{ act: "attach", label: "Take it back" }, "stack"]],
  4413: ["That was too much input at once", [ATTACH, "stack"]],
  4429: ["This window could not keep up", [ATTACH, "stack"]],
};

const WORDS = {
  4400: "Reload the page to get the portal's current version.",
  4401: "Your sign-in is no longer valid. Sign in again to come back to this session.",
  4403: "Your permission for this service is gone. Ask somebody who manages the organization.",
  4404: "It does not exist, or you may not see it.",
  4409: "This session is now shown in another window of yours. Here it stays as it was.",
  not_authenticated: "Sign in again to come back to this page.",
  not_found: "It does not exist, or you may not see it.",
  offline: "It may be restarting. Try again in a moment.",
};

function refused(phase, context) {
  const to = linked(context.links);
  if (phase.code === "session_limit") return limit(phase, context, to);
  if (lacksShell(phase)) return noShell(to, context);
  const [title, offers] = REFUSED[phase.code] ?? ["This did not work", [RETRY, "stack"]];
  const seen = typeof phase.code === "number" && context.seen;
  return {
    place: seen ? "foot" : "cover",
    title,
    text: WORDS[phase.code] ?? phase.detail,
    actions: offers.map((offer) => (typeof offer === "string" ? to[offer] : offer)),
  };
}

const TELLINGS = { opening, connecting, starting, waiting, detached, ended, refused };

/**
 * @param {import("porthole/terminal-session.js").Phase} phase
 * @param {object} context Names, links and endings of the page; `seen` is true once there was output, `mayOpen` if the
 *   person may open such a session of the service, `kind` is "shell" or "console", `console` what is offered of consoles, `kept` while the screen still shows the session before.
 * @returns {Telling | null} Null where the terminal speaks for itself.
 */
export function telling(phase, context) {
  const tell = TELLINGS[phase.name];
  if (!tell) return null;
  const told = { actions: [], ...tell(phase, context) };
  if (!context.mayOpen) told.actions = told.actions.filter(({ act }) => act !== "open");
  return context.kept ? belowWhatIsKept(told, linked(context.links).record) : told;
}

/** The old screen stays readable, and its recording at hand, until the new session is there. */
function belowWhatIsKept(told, record) {
  const known = told.actions.some(({ label }) => label === record.label);
  return { ...told, place: "foot", actions: known ? told.actions : [...told.actions, record] };
}

/** One word for the status bar. */
export const STATE_WORDS = {
  opening: "Opening",
  connecting: "Connecting",
  starting: "Starting",
  live: "Live",
  waiting: "Reconnecting",
  detached: "Detached",
  ended: "Ended",
  refused: "Not connected",
};
