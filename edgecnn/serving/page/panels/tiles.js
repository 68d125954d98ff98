/** Collected frames as tiles, near-duplicates together. */

import { element } from "../widgets/elements.js";
import { count, percent, status, time } from "../widgets/format.js";
import { image } from "../widgets/images.js";

/**
 * The frames as elements, in their order; near-duplicates of one moment stand in a group with a mark.
 *
 * `make(frame, copy)` makes a tile, `choose(ids)` adds frames to the selection.
 */
export function groupsOf(frames, make, choose) {
  const groups = new Map();
  for (const frame of frames) {
    const key = frame.group ?? frame.id;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(frame);
  }
  return [...groups].map(([key, members]) => {
    if (members.length === 1) return make(members[0], members[0].id !== key);
    return element(
      "div",
      { class: "group", role: "group", "aria-label": `${members.length} near-duplicates` },
      element(
        "div",
        { class: "group-head" },
        element("span", {}, count(members.length, "near-duplicate")),
        element(
          "button",
          {
            type: "button",
            class: "small",
            "data-testid": "select-group",
            onclick: () => choose(members.map(({ id }) => id)),
          },
          "Select all",
        ),
      ),
      element("div", { class: "tiles" }, ...members.map((frame, at) => make(frame, at > 0))),
    );
  });
}

/** A frame to select. `copy`: it shows what an earlier one shows. */
export function tile(frame, copy) {
  const { id, view, captured_at: at, given_label: given } = frame;
  const reason = frame.why ?? frame.reason; // why it is to be labelled, or why it was kept
  const answer = answerOf(frame);
  const label = given === null ? answer : `labelled ${given}`;
  return element(
    "button",
    {
      type: "button",
      class: copy ? "tile copy" : "tile",
      "data-testid": "frame",
      "data-id": id,
      "aria-pressed": "false",
      "aria-label": [label, reason, view, time(at), copy ? "near-duplicate" : null].filter(Boolean).join(", "),
      title: `${view}, ${time(at)}`,
    },
    image(`/api/collect/${encodeURIComponent(id)}/image`, ""),
    element("span", { class: given === null ? "answer" : "answer given" }, given ?? answer),
    element("span", { class: "why" }, copy ? `${reason}, copy` : reason),
  );
}

/** What the model answered when the frame was collected. */
export function answerOf({ status: name, label, score, top }) {
  if (label !== null && label !== undefined) return `${label} ${percent(score)}`;
  return top?.length ? `${status(name)} (${top[0].label}?)` : status(name);
}
