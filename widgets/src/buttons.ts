// Buttons that ask, tell how it went, and become themselves again.

import type { Action } from "./actions.ts";
import { el, icon, say, type IconName } from "./dom.ts";
import { succeeds } from "./host.ts";

const SAID_MS = 2_500;
const SENT_MS = 8_000;

export type Send = (text: string) => Promise<boolean>;

export function pushButton(
  name: string,
  look: string,
  sign: IconName | null,
  push: () => unknown,
): HTMLButtonElement {
  const label = el("span", {}, name);
  return el(
    "button",
    { type: "button", class: `button ${look}`, click: () => void push() },
    sign && icon(sign),
    label,
  );
}

/** Say something else for a while; the button keeps its width as far as it can, and the focus. */
export function sayOn(button: HTMLButtonElement, word: string, isDone: boolean): void {
  const label = button.querySelector("span");
  if (!label || button.dataset["said"]) return;
  const before = label.textContent;
  button.dataset["said"] = isDone ? "done" : "not";
  say(label, word);
  setTimeout(
    () => {
      delete button.dataset["said"];
      say(label, before);
    },
    word === "Sent" ? SENT_MS : SAID_MS,
  );
}

/** The button of an action, and its menu if there is something to choose. */
export function actionButtons(action: Action, look: string, send: Send): HTMLElement[] {
  const ask = async (choice: string): Promise<void> => {
    const isSent = await send(action.message(choice));
    sayOn(button, isSent ? "Sent" : "Not sent", isSent);
  };
  const menu = action.ratios.length > 0 ? menuOf(action) : null;
  const button = pushButton(action.name, look, null, () => {
    if (button.dataset["said"]) return;
    if (menu) open(button, menu, menu.hidden !== false);
    else void ask("");
  });
  if (!menu) return [button];
  button.setAttribute("aria-controls", menu.id);
  open(button, menu, false);
  for (const choice of menu.children) {
    choice.addEventListener("click", () => {
      open(button, menu, false);
      button.focus();
      void ask(choice.textContent);
    });
  }
  for (const part of [button, menu]) {
    part.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || menu.hidden) return;
      open(button, menu, false);
      button.focus();
    });
  }
  return [button, menu];
}

function menuOf({ name, ratios }: Action): HTMLElement {
  const choices = ratios.map((ratio) =>
    el(
      "button",
      { type: "button", class: "choice", "aria-label": `${name} to ${ratio}` },
      shapeOf(ratio),
      ratio,
    ),
  );
  const id = `menu-${name.toLowerCase()}`;
  return el("div", { id, class: "menu", role: "group", "aria-label": `${name} to` }, ...choices);
}

function open(button: HTMLElement, menu: HTMLElement, isOpen: boolean): void {
  menu.hidden = !isOpen;
  button.setAttribute("aria-expanded", String(isOpen));
}

/** A small picture of a ratio. */
function shapeOf(ratio: string): HTMLElement {
  const [width = 1, height = 1] = ratio.split(":").map(Number);
  const shape = el("i", { class: "shape", "aria-hidden": "true" });
  const scale = 14 / Math.max(width, height);
  shape.style.width = `${Math.round(width * scale)}px`;
  shape.style.height = `${Math.round(height * scale)}px`;
  return shape;
}

/** A field with a link to copy by hand, for where nothing else works. */
export function linkField(links: string): HTMLElement {
  const field = el("input", { type: "text", readonly: true, "aria-label": "Link", class: "link" });
  field.value = links;
  field.addEventListener("focus", () => field.select());
  return field;
}

/** Put it on the clipboard, the old way if need be; without either the reader has to. */
export async function copied(text: string, field: () => HTMLElement): Promise<boolean> {
  if (mayWrite() && (await succeeds(navigator.clipboard.writeText(text).then(() => true)))) {
    return true;
  }
  const before = document.activeElement;
  const shown = field();
  shown.focus();
  if (!document.execCommand("copy")) return false;
  shown.remove();
  if (before instanceof HTMLElement) before.focus();
  return true;
}

/** Chromium writes to the console when a page tries what its frame may not; others just refuse. */
function mayWrite(): boolean {
  const { featurePolicy } = document as {
    featurePolicy?: { allowsFeature(name: string): boolean };
  };
  return (
    navigator.clipboard !== undefined && featurePolicy?.allowsFeature("clipboard-write") !== false
  );
}
