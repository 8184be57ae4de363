// The row of buttons: what can be done about a job, as far as the host lets the page.

import { actionsFor, askAction, retryAction, type Action } from "./actions.ts";
import { actionButtons, pushButton } from "./buttons.ts";
import { el, fill, keepingFocus } from "./dom.ts";
import type { Generation } from "./generation.ts";
import { succeeds, type Host } from "./host.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Source } from "./sources.ts";
import { Taking, type FreshFiles } from "./taking.ts";

export class Offers {
  readonly element = el("div", { class: "buttons" });
  readonly taking: Taking;
  readonly #askAgain: () => void;
  #drawn = "";

  constructor(files: FreshFiles, askAgain: () => void) {
    this.taking = new Taking(files, this.element);
    this.#askAgain = askAgain;
  }

  /** Draw them anew only if they are others. */
  draw(known: Knowledge, host: Host | null, source: Source | null): void {
    const { tone, id, isWorthAsking } = known;
    const { mode, offersFullscreen } = host?.look() ?? {};
    const count = source?.files.length;
    const drawn = JSON.stringify([
      [tone, id, isWorthAsking, count],
      [host?.can, mode, offersFullscreen],
    ]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const buttons = host ? this.#buttons(known, host, source) : [];
    keepingFocus(this.element, () => fill(this.element, ...buttons));
  }

  #buttons(known: Knowledge, host: Host, source: Source | null): HTMLElement[] {
    const { tone, generation, id, isWorthAsking } = known;
    if (tone === "done" && generation) {
      return [...this.taking.buttons(host, source), ...makers(host, generation)];
    }
    if (!id) return [];
    if (tone === "failed") return asking(host, retryAction(id), "primary");
    if (!host.can.callTools) return asking(host, askAction(id), "");
    return isWorthAsking ? [pushButton("Check again", "", null, this.#askAgain)] : [];
  }
}

function makers(host: Host, generation: Generation): HTMLElement[] {
  const found = actionsFor(generation).map((action) => asking(host, action, "ghost"));
  const buttons = found.flatMap(([button]) => button ?? []);
  if (buttons.length === 0) return [];
  return [el("div", { class: "makers" }, ...buttons), ...found.flatMap(([, ...menu]) => menu)];
}

/** The button of an action that the model is asked for, and its menu. */
function asking(host: Host, action: Action, look: string): HTMLElement[] {
  if (!host.can.sendMessages) return [];
  return actionButtons(action, look, (text) => succeeds(host.sendMessage(text)));
}
