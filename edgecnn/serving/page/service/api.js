/** Requests to the service, with the token. */

import { askForToken } from "../widgets/dialogs.js";

const KEY = "edgecnn-token";
const PRINTABLE = /^[\x21-\x7e]+$/;

/** Tells of a `token` that was given or removed. */
export const tokenChanges = new EventTarget();

let token = storedToken();
let asking = null;

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Moves the token of `/#token=…` into the session's storage, out of the address bar and the history. */
export function takeTokenFromAddress() {
  const match = /^#token=(.*)$/.exec(location.hash);
  if (!match) return;
  history.replaceState(null, "", location.pathname + location.search);
  let given = match[1];
  try {
    given = decodeURIComponent(given);
  } catch {
    // A percent sign that belongs to the token
  }
  if (PRINTABLE.test(given)) setToken(given);
}

/** Whether there is a token. It may be a wrong one. */
export function hasToken() {
  return token !== null;
}

/** Asks the person for the token. Several callers at once share one dialog. Resolves to whether it was given. */
export function requestToken(reason) {
  asking ??= askForToken(reason)
    .then((given) => {
      if (given !== null && PRINTABLE.test(given)) setToken(given);
      return given !== null;
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

/** Forgets the token. */
export function forgetToken() {
  setToken(null);
}

/**
 * Sends a request and returns the answer.
 *
 * Throws ApiError for an answer of 4xx or 5xx, and where the service is away; AbortError where `signal` ends it.
 */
export async function open(path, { method = "GET", body, json, signal } = {}) {
  const headers = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (body !== undefined) headers["Content-Type"] = "application/octet-stream";
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the service cannot be reached");
  }
  if (!answer.ok) throw new ApiError(answer.status, await reasonOf(answer));
  return answer;
}

/** The JSON of a path. */
export async function read(path, options) {
  return (await open(path, options)).json();
}

/** Sends a change. Asks for the token where there is none, or where the service does not take it. */
export async function change(path, options = {}) {
  const given = { method: "POST", ...options };
  if (token === null && !(await requestToken("A change needs the token of the service."))) {
    throw new ApiError(401, "nothing was changed: no token was given");
  }
  try {
    return await answerOf(await open(path, given));
  } catch (error) {
    if (error.status !== 401) throw error;
    if (!(await requestToken("The service did not accept the token. Enter the right one."))) throw error;
    return answerOf(await open(path, given));
  }
}

async function answerOf(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function reasonOf(answer) {
  try {
    const { error } = await answer.json();
    if (typeof error === "string") return error;
  } catch {
    // No JSON: the status says enough
  }
  return `the service answered ${answer.status}`;
}

function storedToken() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked: the token lives as long as the page
  }
}

function setToken(given) {
  token = given;
  try {
    if (given === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, given);
  } catch {
    // As above
  }
  tokenChanges.dispatchEvent(new Event("token"));
}
