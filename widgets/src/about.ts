// What is said of a job beside its picture: how it stands, what it is, the prompt, the reasons.

import { CANNOT_CHECK } from "./answers.ts";
import { now } from "./clock.ts";
import { el, fill, keepingFocus, say } from "./dom.ts";
import { nameOf } from "./generation.ts";
import type { Host } from "./host.ts";
import type { Knowledge } from "./knowledge.ts";
import { promptOf, wordsOn, wordsWithout } from "./words.ts";
import { kindWord, type Speech } from "./wording.ts";

export class About {
  readonly line: HTMLElement;
  readonly note = el("p", { class: "note", "aria-live": "polite" });
  readonly words = el("div", { class: "words" });
  readonly timer = el("span", { class: "timer", role: "timer" });
  readonly #status = el("p", { class: "status", role: "status" });
  readonly #facts = el("p", { class: "facts" });
  readonly #speech: Speech;
  readonly #drawn = new Map<Element, string>();

  constructor(speech: Speech) {
    this.#speech = speech;
    this.line = el("div", { class: "line" }, this.#status, this.#facts);
  }

  draw(known: Knowledge, host: Host | null): void {
    say(this.#status, known.status);
    this.#drawFacts(known);
    say(this.note, noteOn(known, host));
    this.#drawWords(known);
    this.tellTime(known);
  }

  /** What changes with each second. */
  tellTime({ generation }: Knowledge): void {
    const created = generation?.createdAt;
    const since = typeof created === "number" ? now() - created : null;
    say(this.timer, since === null ? "" : this.#speech.elapsed(since));
    const age = this.#facts.querySelector("time");
    if (age && since !== null) say(age, this.#speech.age(since));
  }

  #drawFacts({ generation, given }: Knowledge): void {
    const cost = generation?.costUsd;
    const facts = [
      generation && kindWord(generation),
      generation ? generation.model : nameOf(given["model"]),
      typeof cost === "number" && cost > 0 && `about ${this.#speech.dollars(cost)}`,
    ].filter((fact) => typeof fact === "string");
    const created = generation?.isFinal ? generation.createdAt : null;
    this.#once(this.#facts, [facts, created, this.#speech.locale], () => {
      const spans = facts.map((fact) => el("span", {}, fact));
      fill(this.#facts, ...spans, created !== null && this.#ageOf(created));
    });
  }

  #ageOf(created: number): HTMLElement {
    const title = this.#speech.moment(created);
    const datetime = new Date(created).toISOString();
    return el("time", { datetime, title }, this.#speech.age(now() - created));
  }

  #drawWords(known: Knowledge): void {
    const { generation, prompt, tone } = known;
    const text = tone === "words" ? known.text : null;
    const said = generation
      ? wordsOn(generation, known.sources.length > 0)
      : wordsWithout(known.trouble, text, tone === "words" && known.isCancelled);
    this.#once(this.words, [prompt, said], () => {
      const lines = said.map(({ text, look }) => el("p", { class: look, dir: "auto" }, text));
      const all = [prompt !== null && promptOf(prompt), ...lines];
      keepingFocus(this.words, () => fill(this.words, ...all));
    });
  }

  /** Draw a part anew only if what it shows is another. */
  #once(part: Element, key: unknown, draw: () => void): void {
    const text = JSON.stringify(key);
    if (this.#drawn.get(part) === text) return;
    this.#drawn.set(part, text);
    draw();
  }
}

function noteOn({ tone, note }: Knowledge, host: Host | null): string {
  if (tone !== "running") return "";
  return host && !host.can.callTools ? CANNOT_CHECK : note;
}
