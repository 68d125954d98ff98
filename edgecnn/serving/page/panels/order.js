/** The order of the collected frames: newest first, or those that teach most. */

import { change, read } from "../service/api.js";
import { say } from "../widgets/dialogs.js";
import { byId } from "../widgets/elements.js";

const POLL_MS = 700;

/** A listing of collected frames, as `/api/collect` gives it, in the order that is chosen. */
export async function listing(query) {
  if (!wantsNext()) return read(`/api/collect?${query}`);
  const [next, all] = await Promise.all([ranking(), read("/api/collect?limit=1")]);
  const source = query.get("source");
  const frames = next.frames.filter((frame) => !source || frame.source === source);
  return { ...all, frames, total: frames.length, bytes: next.bytes };
}

/** Lets the service look where frames came since, and waits for it. */
async function ranking() {
  const name = byId("teach-model").value;
  const path = `/api/teach/next${name ? `?model=${encodeURIComponent(name)}` : ""}`;
  let found = await read(path);
  if (!found.running && (found.at === null || found.new > 0)) {
    await change(path);
    found = await read(path);
  }
  while (found.running && wantsNext()) {
    say(byId("collect-message"), "looking which frames teach most …");
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
    found = await read(path);
  }
  const reason = wantsNext() ? found.reason : null;
  say(byId("collect-message"), reason ?? "", reason !== null);
  return found;
}

function wantsNext() {
  return byId("collect-order").value === "next";
}
