/** Questions to the person: for a confirmation, and for the token. */

import { byId, setText } from "./elements.js";

/** Asks once before something is done. Resolves to whether it shall be. */
export function confirm(title, text, action, danger = false) {
  const dialog = byId("confirm");
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  const button = byId("confirm-ok");
  setText(button, action);
  button.classList.toggle("danger", danger);
  return ask(dialog).then((answer) => answer === "ok");
}

/** Asks for the token. Resolves to it, or to null. */
export async function askForToken(reason) {
  const field = byId("token-field");
  setText(byId("token-text"), reason);
  field.value = "";
  const answer = await ask(byId("token-dialog"));
  const token = field.value.trim();
  field.value = "";
  return answer === "ok" && token ? token : null;
}

/** Shows a dialog with content of the caller. Resolves when it is closed. */
export function show(title, ...content) {
  const dialog = byId("viewer");
  setText(byId("viewer-title"), title);
  byId("viewer-content").replaceChildren(...content);
  return ask(dialog);
}

function ask(dialog) {
  if (dialog.open) dialog.close("");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

// No submit buttons: the Enter key in a field would press the first one
for (const button of document.querySelectorAll("[data-closes]")) {
  button.addEventListener("click", () => byId(button.dataset.closes).close(""));
}

/** A line that says how something went. It is read out. */
export function say(node, text, bad = false) {
  node.classList.toggle("bad", bad);
  setText(node, text);
}
