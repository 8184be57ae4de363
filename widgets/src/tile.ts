// One job in the gallery: a picture, what it is, its prompt, its age.

import { now } from "./clock.ts";
import { el, fill, say } from "./dom.ts";
import { stateOf } from "./filters.ts";
import { newerOf, type Generation } from "./generation.ts";
import { signOf, type Thumbnails } from "./thumbnails.ts";
import { kindWord, stateWord, type Speech } from "./wording.ts";

export class Tile {
  readonly element: HTMLElement;
  readonly #button: HTMLButtonElement;
  readonly #thumbnails: Thumbnails;
  readonly #speech: Speech;
  #generation: Generation;

  constructor(generation: Generation, thumbnails: Thumbnails, speech: Speech, open: () => void) {
    this.#generation = generation;
    this.#thumbnails = thumbnails;
    this.#speech = speech;
    this.#button = el("button", { type: "button", class: "tile", click: open });
    this.element = el("article", {}, this.#button);
    this.#draw();
  }

  get generation(): Generation {
    return this.#generation;
  }

  get isInView(): boolean {
    const { top, bottom } = this.element.getBoundingClientRect();
    return !this.element.hidden && bottom > 0 && top < window.innerHeight;
  }

  update(generation: Generation): void {
    const before = this.#generation;
    this.#generation = newerOf(before, generation);
    if (before.state !== this.#generation.state) this.#draw();
  }

  focus(): void {
    this.#button.focus();
    this.#button.scrollIntoView({ block: "nearest" });
  }

  tellAge(): void {
    const age = this.#button.querySelector("time");
    const { createdAt } = this.#generation;
    if (age && createdAt !== null) say(age, this.#speech.age(now() - createdAt));
  }

  #draw(): void {
    const generation = this.#generation;
    const old = this.#button.querySelector(".picture");
    if (old) this.#thumbnails.forget(old);
    const state = stateOf(generation);
    this.element.dataset["state"] = state;
    fill(
      this.#button,
      this.#thumbnails.box(generation),
      el("span", { class: "badge" }, signOf(generation), el("span", {}, kindWord(generation))),
      state === "done" ? null : el("span", { class: "state" }, stateWord(generation.state)),
      el("span", { class: "caption", dir: "auto" }, generation.prompt ?? "No prompt"),
      this.#age(),
    );
  }

  #age(): HTMLElement | null {
    const { createdAt } = this.#generation;
    if (createdAt === null) return null;
    const datetime = new Date(createdAt).toISOString();
    const title = this.#speech.moment(createdAt);
    const age = this.#speech.age(now() - createdAt);
    return el("time", { class: "age", datetime, title }, age);
  }
}
