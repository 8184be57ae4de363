// Which tiles of the gallery are shown: two groups of radio buttons, with counts of what is loaded.

import { el, say } from "./dom.ts";
import { kindOf, type Generation } from "./generation.ts";
import type { Speech } from "./wording.ts";

interface Group {
  readonly name: string;
  readonly choices: Readonly<Record<string, string>>;
  of(generation: Generation): string;
}

const GROUPS: readonly Group[] = [
  {
    name: "Kind",
    choices: { all: "All", video: "Videos", picture: "Pictures" },
    of: (generation) => (kindOf(generation) === "video" ? "video" : "picture"),
  },
  {
    name: "State",
    choices: { all: "All", done: "Done", running: "Running", failed: "Failed" },
    of: (generation) => stateOf(generation),
  },
];

interface Choice {
  readonly group: Group;
  readonly choice: string;
  readonly radio: HTMLInputElement;
  readonly number: HTMLElement;
}

export function stateOf({ state, isFinal }: Generation): "done" | "running" | "failed" {
  if (state === "failed") return "failed";
  return isFinal ? "done" : "running";
}

export class Filters {
  readonly element: HTMLElement;
  readonly #chosen = new Map<Group, string>();
  readonly #choices: readonly Choice[];
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
    this.#choices = GROUPS.flatMap((group) =>
      Object.keys(group.choices).map((choice) => this.#choice(group, choice)),
    );
    this.element = el("div", { class: "filters" }, ...GROUPS.map((group) => this.#group(group)));
  }

  fit(generation: Generation): boolean {
    return GROUPS.every((group) => isIn(generation, group, this.#chosen.get(group) ?? "all"));
  }

  reset(): void {
    this.#chosen.clear();
    this.#changed();
  }

  focus(): void {
    this.#choices[0]?.radio.focus();
  }

  draw(generations: readonly Generation[], speech: Speech): void {
    this.element.hidden = generations.length === 0;
    for (const { group, choice, radio, number } of this.#choices) {
      const fitting = generations.filter((generation) => isIn(generation, group, choice));
      say(number, speech.count(fitting.length));
      radio.checked = (this.#chosen.get(group) ?? "all") === choice;
    }
  }

  #choice(group: Group, choice: string): Choice {
    const change = (): void => {
      this.#chosen.set(group, choice);
      this.#changed();
    };
    const radio = el("input", { type: "radio", name: group.name, change });
    return { group, choice, radio, number: el("span", { class: "number" }) };
  }

  #group(group: Group): HTMLElement {
    const labels = this.#choices
      .filter((one) => one.group === group)
      .map(({ choice, radio, number }) =>
        el("label", {}, radio, group.choices[choice], " ", number),
      );
    return el("fieldset", { role: "radiogroup", "aria-label": group.name }, ...labels);
  }
}

function isIn(generation: Generation, group: Group, choice: string): boolean {
  return choice === "all" || group.of(generation) === choice;
}
