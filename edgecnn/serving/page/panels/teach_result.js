/** How a teaching ended, as elements: figures, forecast, weakest classes, and which answers differ. */

import { element } from "../widgets/elements.js";
import { count, percent, status, time } from "../widgets/format.js";

const TITLES = {
  taught: "Taught: better by cross-validation",
  unchanged: "Not taken over: the model stays as it is",
  failed: "It could not be taught",
};
const MOST_CLASSES = 12;

/** The elements for the `last` of `/api/teach`. */
export function resultOf(last) {
  const kind = last.state === "taught" ? "" : "bad";
  const title = element("h3", { class: kind }, `${TITLES[last.state]} (${time(last.at)})`);
  const parts = [title, element("p", { class: "reason", id: "teach-reason" }, last.reason)];
  if (last.cv_top1 === null) return parts;
  for (const note of last.notes) parts.push(element("p", { class: "quiet" }, note));
  if (last.skipped) parts.push(element("p", { class: "quiet" }, `${count(last.skipped, "image")} could not be read`));
  parts.push(element("div", { class: "teach-figures" }, figures(last), weakest(last)));
  return parts;
}

function figures(last) {
  const rows = [
    ["Accuracy before", last.before_top1 === null ? "none of these classes" : percent(last.before_top1)],
    ["Accuracy after", `${percent(last.cv_top1)} (${interval(last.cv_interval)})`],
    ...last.forecast.map(({ images_per_class: images, top1, interval: range }) => [
      `Expected with ${images} per class`,
      `${percent(top1)} (${interval(range)})`,
    ]),
  ];
  if (last.known_top1_before !== null)
    rows.push([
      "Classes it knew",
      `${percent(last.known_top1_before)} before, ${percent(last.known_top1_after)} after`,
    ]);
  if (last.added.length) rows.push(["New classes", listed(last.added)]);
  const list = element("dl", { class: "facts", id: "teach-accuracy" });
  for (const [name, value] of rows) list.append(element("dt", {}, name), element("dd", {}, value));
  return list;
}

function listed(labels) {
  const more = labels.length - MOST_CLASSES;
  return labels.slice(0, MOST_CLASSES).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function interval([low, high]) {
  return `${percent(low)} to ${percent(high)}`;
}

function weakest({ classes }) {
  const rows = classes.slice(0, MOST_CLASSES).map(({ label, images, recall, confused_with: other }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, label),
      element("td", {}, String(images)),
      element("td", {}, percent(recall)),
      element("td", {}, other ?? "–"),
    ),
  );
  const more = classes.length - rows.length;
  const titles = ["Class", "Images", "Right", "Mistaken for"].map((name) => element("th", { scope: "col" }, name));
  return element(
    "table",
    { class: "plain", id: "teach-weakest" },
    element("caption", {}, `Label these first, the weakest on top${more > 0 ? `; ${more} more are better` : ""}`),
    element("thead", {}, element("tr", {}, ...titles)),
    element("tbody", {}, ...rows),
  );
}

/** Which answers differ in a shadow, the most frequent first: `circle → stripes: 9 frames`. */
export function differenceOf(swap) {
  const pairs = new Map();
  for (const { serving, shadow } of swap?.differing ?? []) {
    const pair = `${answer(serving)} → ${answer(shadow)}`;
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  const rows = [...pairs].sort(([, a], [, b]) => b - a);
  if (!rows.length) return [];
  const kept = swap.differing.length;
  const differing = Math.round(swap.frames * (1 - (swap.agreement ?? 1)));
  const all = differing <= kept;
  const title = all ? "Frames with another answer" : `The first ${kept} of ${differing} frames with another answer`;
  return [
    element("h4", {}, `${title} (old → new)`),
    element("ul", {}, ...rows.map(([pair, times]) => element("li", {}, `${pair}: ${count(times, "frame")}`))),
    element("a", { href: "#models" }, "See them"),
  ];
}

function answer({ label, status: name }) {
  return label ?? status(name);
}
