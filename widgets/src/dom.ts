// Making elements: foreign text goes in as text only, and no address goes in here at all.

type Child = Node | string | false | null | undefined;
type Value = string | number | boolean | null | undefined | ((event: Event) => void);

export type Attributes = Record<string, Value>;

export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => isShown(child)));
  return element;
}

function isShown(child: Child): child is Node | string {
  return child !== null && child !== undefined && child !== false;
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
}

// Paths on a canvas of 24, drawn with a pen.
const ICONS = {
  download: "M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 20h14",
  link:
    "M10 14a4 4 0 0 0 6 .4l3-3A4 4 0 0 0 13.4 5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3" +
    "a4 4 0 0 0 5.6 5.7l1-1",
  play: "M8 5.5v13l11-6.5z",
  open: "M14 5h5v5M19 5l-8 8M10 6H6a1 1 0 0 0-1 1v11a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-4",
  expand: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  shrink: "M4 9h5V4M20 9h-5V4M4 15h5v5M20 15h-5v5",
  back: "M14.5 6 8.5 12l6 6",
  video:
    "M4 7.5A1.5 1.5 0 0 1 5.5 6h9A1.5 1.5 0 0 1 16 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9" +
    "A1.5 1.5 0 0 1 4 16.5zM16 10.5l4-2.5v8l-4-2.5",
  picture:
    "M4 6.5A1.5 1.5 0 0 1 5.5 5h13A1.5 1.5 0 0 1 20 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-13" +
    "A1.5 1.5 0 0 1 4 17.5zM4.5 17l4.5-4.5 3 3 3.5-3.5 4 4M9 9.2v.1",
  layers: "m12 4 8 4.5-8 4.5-8-4.5zM4 12.5l8 4.5 8-4.5M4 16.5 12 21l8-4.5",
  alert: "M12 8v5m0 3.2v.1M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17",
} as const;

export type IconName = keyof typeof ICONS;

const SVG = "http://www.w3.org/2000/svg";

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Put other children in, but leave the element alone if they are the same (focus stays). */
export function fill(parent: Element, ...children: Child[]): void {
  const wanted = children.filter((child) => isShown(child));
  const isSame =
    wanted.length === parent.childNodes.length &&
    wanted.every((child, place) => child === parent.childNodes[place]);
  if (!isSame) parent.replaceChildren(...wanted);
}

/** Change a text only if it is another one, so that a screen reader hears of changes only. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Draw anew what may hold the focus; it goes to what has the same name, or to what is around. */
export function keepingFocus(part: HTMLElement, draw: () => void): void {
  const held = part.contains(document.activeElement) ? document.activeElement : null;
  draw();
  if (!held || part.contains(held)) return;
  const buttons = [...part.querySelectorAll("button")];
  const same = buttons.find((button) => nameOf(button) === nameOf(held)) ?? buttons[0];
  (same ?? focusable(part.closest("section") ?? part)).focus();
}

function nameOf(element: Element): string {
  return element.getAttribute("aria-label") ?? element.textContent;
}

function focusable(element: HTMLElement): HTMLElement {
  element.tabIndex = -1;
  return element;
}
