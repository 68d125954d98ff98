/** Builds elements. Text always goes in as text, never as markup. */

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * A new element.
 *
 * Keys of `attributes` that begin with `on` are listeners; `true` sets an attribute without a value, `false`, null and
 * undefined leave it out. Children are elements or text; null and undefined are left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets the text of an element, and touches the document only where it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, and touches the document only where it differs. */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Keeps one child per item: makes what is missing, removes what is too much, and updates each. */
export function keepChildren(parent, items, make, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, at) => update(parent.children[at], item, at));
}
