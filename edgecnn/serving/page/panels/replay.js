/** A collected frame, classified again: the answer of then, beside the answer of each model now. */

import { change } from "../service/api.js";
import { show } from "../widgets/dialogs.js";
import { element } from "../widgets/elements.js";
import { percent, shortHash, status, time } from "../widgets/format.js";
import { image } from "../widgets/images.js";

const CLASSES = 5;

/** Replays a frame and shows the answers until the dialog is closed. Throws ApiError. */
export async function replay(frame) {
  const id = encodeURIComponent(frame.id);
  const { answers } = await change(`/api/collect/${id}/replay`);
  await show(
    "Replay of a frame",
    element(
      "div",
      { class: "replay" },
      element(
        "figure",
        {},
        image(`/api/collect/${id}/image`, "The collected frame"),
        element("figcaption", {}, `${frame.view}, ${time(frame.captured_at)}, ${frame.reason}`),
      ),
      column("Before", "when it was collected", frame),
      ...answers.map(({ which, model, prediction }) =>
        column(`Now: ${which}`, `${model}, ${shortHash(prediction.model_sha256)}`, prediction),
      ),
    ),
  );
}

function column(title, subtitle, { status: name, label, score, reason, top }) {
  const why = name === "ok" ? null : reason;
  return element(
    "section",
    { class: "answer-column", "data-testid": "replay-answer" },
    element("h3", {}, title),
    element("p", { class: "at" }, subtitle),
    element("p", { class: `big ${name}` }, label ?? status(name), label === null ? null : ` ${percent(score)}`),
    why ? element("p", { class: "reason" }, why) : null,
    element("ul", { class: "bars" }, ...(top ?? []).slice(0, CLASSES).map(bar)),
  );
}

/** A class with its probability, as a row of a list `bars`. */
export function bar({ label, score }) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * score}%`;
  return element(
    "li",
    {},
    element("span", { class: "label" }, label),
    element("span", { class: "bar", "aria-hidden": true }, fill),
    element("span", { class: "value" }, percent(score)),
  );
}
