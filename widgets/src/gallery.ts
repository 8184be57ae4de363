// A page of jobs as tiles, with filters, and the player for the one that is opened.

import {
  brokenCall,
  pageOf,
  posterOf,
  readAnswer,
  type ToolAnswer,
  type Trouble,
} from "./answers.ts";
import { pushButton } from "./buttons.ts";
import { learn, now } from "./clock.ts";
import { el, fill, icon, say } from "./dom.ts";
import { Filters, stateOf } from "./filters.ts";
import { BROWSER, pauseAfter } from "./following.ts";
import { newerOf, numberOf, type Fields, type Generation } from "./generation.ts";
import type { Host } from "./host.ts";
import { Player } from "./player.ts";
import { signOf, Thumbnails } from "./thumbnails.ts";
import { kindWord, stateWord, type Speech } from "./wording.ts";

const GIVEN_UP = "The list could not be loaded.";
const PAGE = 20;
const PLACEHOLDERS = 6;
const REFRESH_EVERY_MS = 6_000;
const MINUTE_MS = 60_000;

interface Tile {
  generation: Generation;
  readonly element: HTMLElement;
  readonly open: HTMLButtonElement;
}

export class Gallery {
  readonly element = el("div");
  readonly #speech: Speech;
  readonly #player: Player;
  readonly #tiles = new Map<string, Tile>();
  readonly #thumbnails = new Thumbnails((generation) => this.#poster(generation));
  readonly #status = el("p", { class: "count", role: "status" });
  readonly #filters = new Filters(() => this.#render());
  readonly #grid = el("div", { class: "grid" });
  readonly #words = el("div", { class: "nothing" });
  readonly #foot = el("div", { class: "foot" });
  readonly #list: HTMLElement;
  readonly #opened: HTMLElement;
  readonly #controller = new AbortController();
  #host: Host | null = null;
  #limit = PAGE;
  #nextOffset: number | null = null;
  #trouble: Trouble | null = null;
  #hasAnswer = false;
  #isLoading = false;
  #shown: string | null = null;

  constructor(speech: Speech) {
    this.#speech = speech;
    this.#player = new Player(speech, { learnt: (generation) => this.#learn(generation) });
    const title = el("h1", {}, "Your generations");
    const head = el("div", { class: "head" }, title, this.#status);
    this.#list = el("section", { class: "gallery", "aria-label": "Gallery" });
    this.#list.append(head, this.#filters.element, this.#grid, this.#words, this.#foot);
    const back = pushButton("Back to gallery", "text", "back", () => this.#back());
    this.#opened = el("div", { class: "opened", hidden: true }, back, this.#player.element);
    this.element.append(this.#list, this.#opened);
    setInterval(() => this.#tellAges(), MINUTE_MS);
    this.#render();
  }

  attach(host: Host): void {
    this.#host = host;
    this.#player.attach(host);
    this.#render();
    void this.#watch();
  }

  looked(): void {
    this.#player.looked();
    this.#render();
  }

  hearInput(given: Fields): void {
    this.#limit = numberOf(given["limit"]) ?? PAGE;
    this.#render();
  }

  /** Take the first page of a new list, or words that there is none. */
  hearAnswer(answer: ToolAnswer): void {
    this.#hasAnswer = true;
    this.#take(answer);
    this.#render();
  }

  hearCancelled(): void {
    if (this.#hasAnswer) return;
    this.#hasAnswer = true;
    this.#trouble = { ...brokenCall(null), message: "The call was stopped." };
    this.#render();
  }

  rest(): void {
    this.#controller.abort();
    this.#player.rest();
  }

  // The list

  #take(answer: ToolAnswer): Tile[] {
    const page = pageOf(answer);
    if (!page) {
      const reading = readAnswer(answer);
      this.#trouble =
        reading.kind === "trouble" ? reading.trouble : { ...brokenCall(null), message: GIVEN_UP };
      return [];
    }
    this.#trouble = null;
    this.#limit = page.limit;
    this.#nextOffset = page.nextOffset;
    return page.generations.flatMap((generation) => this.#put(generation) ?? []);
  }

  /** Add a tile, or bring the one there is up to date. */
  #put(generation: Generation): Tile | null {
    const known = this.#tiles.get(generation.id);
    if (known) {
      this.#update(known, newerOf(known.generation, generation));
      return null;
    }
    const open = el("button", { type: "button", class: "tile" });
    open.addEventListener("click", () => this.#open(generation.id));
    const element = el("article", {}, open);
    const tile = { generation, element, open };
    this.#tiles.set(generation.id, tile);
    this.#draw(tile);
    return tile;
  }

  #update(tile: Tile, generation: Generation): void {
    const isOther = tile.generation.state !== generation.state;
    tile.generation = generation;
    if (isOther) this.#draw(tile);
  }

  #learn(generation: Generation): void {
    const tile = this.#tiles.get(generation.id);
    if (!tile) return;
    this.#update(tile, newerOf(tile.generation, generation));
    this.#render();
  }

  async #loadMore(): Promise<void> {
    const isFirst = this.#tiles.size === 0;
    const offset = this.#nextOffset ?? 0;
    if (!this.#host || this.#isLoading) return;
    this.#isLoading = true;
    this.#render();
    const added = this.#take(await this.#call("list_generations", { limit: this.#limit, offset }));
    this.#isLoading = false;
    this.#render();
    if (!isFirst) added.find(({ element }) => !element.hidden)?.open.focus();
  }

  async #call(name: string, given: Fields): Promise<ToolAnswer> {
    try {
      if (!this.#host) throw new Error("no host");
      return await this.#host.callTool(name, given, this.#controller.signal);
    } catch (error) {
      return { structured: brokenCall(error), text: brokenCall(error).message, isError: true };
    }
  }

  async #poster({ id }: Generation): Promise<string | null> {
    if (!this.#host?.can.callTools) return null;
    const answer = await this.#call("refresh_generation", { generation_id: id, with_poster: true });
    return answer.isError ? null : posterOf(answer.structured);
  }

  /** See how those that run are doing: one after the other, while somebody looks. */
  async #watch(): Promise<void> {
    const { signal } = this.#controller;
    let failures = 0;
    let last = "";
    while (!signal.aborted && this.#host?.can.callTools) {
      await BROWSER.pause(pauseOf(failures), signal);
      await BROWSER.seen(signal);
      const next = this.#nextRunning(last);
      if (signal.aborted || !next) continue;
      last = next.id;
      const given = { generation_id: next.id, timeout_seconds: 0, known_state: next.state };
      const reading = readAnswer(await this.#call("refresh_generation", given));
      if (reading.kind === "generation") {
        failures = 0;
        learn(reading.generation);
        this.#learn(reading.generation);
      } else {
        failures += 1;
      }
    }
  }

  /** The one after the last that was asked for, in turn. */
  #nextRunning(last: string): Generation | null {
    if (this.#shown !== null) return null; // the player follows the one that is open
    const running = [...this.#tiles.values()]
      .filter(({ generation, element }) => !generation.isFinal && isInView(element))
      .map(({ generation }) => generation);
    const after = running.findIndex(({ id }) => id === last) + 1;
    return running[after % running.length] ?? null;
  }

  // The one that is open

  #open(id: string): void {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    this.#shown = id;
    this.#player.show(tile.generation);
    this.#player.resume();
    this.#list.hidden = true;
    this.#opened.hidden = false;
    const back = this.#opened.querySelector("button");
    back?.focus();
    back?.scrollIntoView({ block: "nearest" });
  }

  #back(): void {
    const tile = this.#tiles.get(this.#shown ?? "");
    this.#shown = null;
    this.#player.rest();
    this.#opened.hidden = true;
    this.#list.hidden = false;
    this.#render();
    tile?.open.focus();
    tile?.open.scrollIntoView({ block: "nearest" });
  }

  // What is drawn

  #render(): void {
    const tiles = [...this.#tiles.values()];
    for (const { generation, element } of tiles) element.hidden = !this.#filters.fit(generation);
    const seen = tiles.filter(({ element }) => !element.hidden).length;
    this.#grid.setAttribute("aria-busy", String(!this.#hasAnswer || this.#isLoading));
    this.#drawGrid(tiles);
    this.#filters.draw(
      tiles.map(({ generation }) => generation),
      this.#speech,
    );
    say(this.#status, this.#count(tiles.length, seen));
    this.#drawWords(tiles.length, seen);
    this.#drawFoot(tiles.length);
  }

  #drawGrid(tiles: readonly Tile[]): void {
    const missing = this.#hasAnswer ? 0 : Math.min(this.#limit, PLACEHOLDERS);
    const ghosts = Array.from({ length: missing }, () =>
      el("div", { class: "ghost-tile", "aria-hidden": "true" }),
    );
    fill(this.#grid, ...tiles.map(({ element }) => element), ...ghosts);
    this.#grid.hidden = tiles.length === 0 && missing === 0;
  }

  #count(all: number, seen: number): string {
    if (!this.#hasAnswer) return "Waiting for Luma…";
    if (all === 0) return "";
    const total = this.#speech.count(all);
    const more = this.#nextOffset === null ? "" : " so far";
    return seen === all
      ? `${total} shown${more}`
      : `${this.#speech.count(seen)} of ${total}${more}`;
  }

  #drawWords(all: number, seen: number): void {
    const lines: (Node | string)[] = [];
    if (this.#trouble) {
      lines.push(el("p", { class: "reason" }, this.#trouble.message));
      if (this.#trouble.advice) lines.push(el("p", { class: "advice" }, this.#trouble.advice));
    } else if (this.#hasAnswer && all === 0) {
      lines.push(
        icon("picture"),
        el("p", { class: "reason" }, "No generations yet"),
        el("p", { class: "advice" }, "Ask for a video or a picture, and it will appear here."),
      );
    } else if (all > 0 && seen === 0) {
      lines.push(el("p", { class: "reason" }, "Nothing here matches"));
      lines.push(pushButton("Show all", "", null, () => this.#filters.reset()));
    }
    const key = lines.map((line) => (line instanceof Node ? line.textContent : line)).join("\n");
    if (this.#words.dataset["key"] !== key) {
      this.#words.dataset["key"] = key;
      fill(this.#words, ...lines);
    }
    this.#words.hidden = lines.length === 0;
  }

  #drawFoot(all: number): void {
    const isAble = this.#host?.can.callTools === true;
    const name = this.#trouble ? "Try again" : this.#nextOffset !== null ? "Load more" : null;
    const label = this.#isLoading ? "Loading…" : name;
    if (this.#foot.dataset["name"] !== (isAble ? (name ?? "") : "")) {
      this.#foot.dataset["name"] = isAble ? (name ?? "") : "";
      fill(this.#foot, isAble && name && pushButton(name, "", null, () => this.#loadMore()));
    }
    const text = this.#foot.querySelector("button span");
    if (text && label) say(text, label);
    this.#foot.hidden = this.#foot.childElementCount === 0 || (all === 0 && !this.#trouble);
  }

  #draw({ generation, element, open }: Tile): void {
    const old = element.querySelector(".picture");
    if (old) this.#thumbnails.forget(old);
    const kind = kindWord(generation);
    const state = stateOf(generation);
    const prompt = generation.prompt ?? "No prompt";
    element.dataset["state"] = state;
    fill(
      open,
      this.#thumbnails.box(generation),
      el("span", { class: "badge" }, signOf(generation), el("span", {}, kind)),
      state === "done" ? null : el("span", { class: "state" }, stateWord(generation.state)),
      el("span", { class: "caption", dir: "auto" }, prompt),
      ageOf(generation, this.#speech),
    );
  }

  #tellAges(): void {
    for (const { generation, open } of this.#tiles.values()) {
      const age = open.querySelector("time");
      if (age && generation.createdAt !== null) {
        say(age, this.#speech.age(now() - generation.createdAt));
      }
    }
  }
}

function ageOf({ createdAt }: Generation, speech: Speech): HTMLElement | null {
  if (createdAt === null) return null;
  const datetime = new Date(createdAt).toISOString();
  const title = speech.moment(createdAt);
  return el("time", { class: "age", datetime, title }, speech.age(now() - createdAt));
}

function pauseOf(failures: number): number {
  return Math.max(REFRESH_EVERY_MS, failures > 0 ? pauseAfter(failures, null) : 0);
}

function isInView(element: HTMLElement): boolean {
  const { top, bottom } = element.getBoundingClientRect();
  return !element.hidden && bottom > 0 && top < window.innerHeight;
}
