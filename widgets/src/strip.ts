// The files of a job in a row, to choose the one that is shown.

import { el, fill, icon, keepingFocus } from "./dom.ts";
import type { Output } from "./generation.ts";
import type { Source } from "./sources.ts";

export class Strip {
  readonly element = el("div", { class: "strip", role: "group" });
  readonly #choose: (place: number) => void;
  #drawn = "";

  constructor(choose: (place: number) => void) {
    this.#choose = choose;
  }

  /** Show those there are, if there is a choice at all. */
  draw(sources: readonly Source[], chosen: number, name: string): void {
    const links = sources.map(({ key, files }) => [key, files[0]?.link]);
    const drawn = JSON.stringify([name, links]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.element.hidden = sources.length < 2;
      this.element.setAttribute("aria-label", name);
      const choices =
        sources.length < 2 ? [] : sources.map((one, place) => this.#choice(one, place));
      keepingFocus(this.element, () => fill(this.element, ...choices));
    }
    for (const [place, choice] of [...this.element.children].entries()) {
      choice.setAttribute("aria-pressed", String(place === chosen));
    }
  }

  #choice({ files }: Source, place: number): HTMLElement {
    const [file] = files;
    const isPile = files.length > 1;
    return el(
      "button",
      { type: "button", class: "thumb", click: () => this.#choose(place) },
      isPile || !file ? icon("layers") : thumbOf(file),
      el("span", { dir: "auto" }, isPile ? "All layers" : (file?.name ?? "File")),
    );
  }
}

function thumbOf({ kind, link }: Output): Node {
  if (kind !== "picture") return icon(kind === "video" ? "video" : "open");
  const picture = el("img", { alt: "", loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () => picture.replaceWith(icon("picture")));
  picture.src = link;
  return picture;
}
