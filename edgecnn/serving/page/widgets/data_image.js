/** Images that come within an answer of the API, as data URLs. The page's policy lets none of them in. */

import { element } from "./elements.js";

const DATA_URL = /^data:(image\/(?:png|jpeg));base64,([A-Za-z0-9+/=]+)$/;

/** An image of a data URL. */
export function dataImage(data, attributes) {
  const made = element("img", attributes);
  const match = DATA_URL.exec(data);
  if (!match) return made;
  const bytes = Uint8Array.from(atob(match[2]), (character) => character.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: match[1] }));
  const forget = () => URL.revokeObjectURL(url);
  made.addEventListener("load", forget, { once: true });
  made.addEventListener("error", forget, { once: true });
  made.src = url;
  return made;
}
