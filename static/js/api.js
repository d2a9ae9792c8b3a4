/** The REST API as the pages use it: same origin, session cookie, CSRF header, errors with their code. */

const ROOT = "/api/v1/";
const TIMEOUT_MS = 20_000;

/** The API answered with an error, or (status 0) nothing answered at all. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 when nothing answered.
   * @param {string} code The API's word for it, such as `session_limit`.
   * @param {string} detail One sentence for the person.
   * @param {Record<string, unknown>} [body] The whole answer.
   * @param {number | null} [retryAfter] Seconds the server asked to wait.
   */
  constructor(status, code, detail, body = {}, retryAfter = null) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.body = body;
    this.retryAfter = retryAfter;
  }

  /** True when the same call may succeed a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

/** @param {Response} response */
async function errorOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy's own error page: its status says enough.
  }
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError(
    response.status,
    body.code ?? `http_${response.status}`,
    body.detail ?? `The portal answered with status ${response.status}.`,
    body,
    Number.isFinite(wait) ? wait : null,
  );
}

/**
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {string} path Below `/api/v1/`, such as `sessions/`.
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} The JSON answer, or null where there is none.
 * @throws {ApiError}
 */
async function call(method, path, body, signal) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS)];
  if (signal) signals.push(signal);
  let response;
  try {
    response = await fetch(ROOT + path, {
      method,
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(method === "GET" ? {} : { "X-CSRFToken": csrfToken() }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(signals),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "offline", "The portal does not answer. It may be restarting.");
  }
  if (!response.ok) throw await errorOf(response);
  return response.status === 204 ? null : response.json().catch(() => null);
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => call("GET", path, undefined, signal);

/** @param {string} path @param {unknown} [body] @param {AbortSignal} [signal] */
export const post = (path, body = {}, signal) => call("POST", path, body, signal);
