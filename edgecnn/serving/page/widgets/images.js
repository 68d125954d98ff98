/** Images of the API that stay the same: they are fetched with the token, and only when they come into view. */

import { open } from "../service/api.js";
import { element } from "./elements.js";

const KEPT = 200;

const blobs = new Map(); // path -> promise of a Blob, oldest first
const nearView = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearView.unobserve(target);
      load(target);
    }
  },
  { rootMargin: "300px" },
);

/** An image of a path. */
export function image(path, alt) {
  const made = element("img", { alt, class: "still", "data-path": path });
  nearView.observe(made);
  return made;
}

async function load(node) {
  try {
    const url = URL.createObjectURL(await fetched(node.dataset.path));
    const forget = () => URL.revokeObjectURL(url);
    node.addEventListener("load", forget, { once: true });
    node.addEventListener("error", forget, { once: true });
    node.src = url;
  } catch (error) {
    node.classList.add("missing");
    node.title = error.message;
  }
}

function fetched(path) {
  let blob = blobs.get(path);
  if (blob === undefined) {
    blob = open(path).then((answer) => answer.blob());
    blob.catch(() => blobs.delete(path));
  }
  blobs.delete(path);
  blobs.set(path, blob);
  if (blobs.size > KEPT) blobs.delete(blobs.keys().next().value);
  return blob;
}
