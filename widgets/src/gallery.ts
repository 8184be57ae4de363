// A page of jobs as tiles, with filters, and the player for the one that is opened.

import { brokenCall, pageOf, readAnswer, type ToolAnswer, type Trouble } from "./answers.ts";
import { pushButton } from "./buttons.ts";
import { el, fill, keepingFocus, say } from "./dom.ts";
import { Filters } from "./filters.ts";
import { numberOf, type Fields, type Generation } from "./generation.ts";
import type { Host } from "./host.ts";
import { Library } from "./library.ts";
import { Player } from "./player.ts";
import { countOf, nothingRemark, troubleRemark } from "./remarks.ts";
import { goRound } from "./rounds.ts";
import { Thumbnails } from "./thumbnails.ts";
import { Tile } from "./tile.ts";
import { WAITING, type Speech } from "./wording.ts";

const GIVEN_UP = "The list could not be loaded.";
const PAGE = 20;
const PLACEHOLDERS = 6;
const MINUTE_MS = 60_000;

export class Gallery {
  readonly element = el("div");
  readonly #speech: Speech;
  readonly #player: Player;
  readonly #controller = new AbortController();
  readonly #library = new Library(this.#controller.signal);
  readonly #tiles = new Map<string, Tile>();
  readonly #thumbnails = new Thumbnails((generation) => this.#library.poster(generation));
  readonly #status = el("p", { class: "count", role: "status" });
  readonly #filters = new Filters(() => this.#render());
  readonly #grid = el("div", { class: "grid" });
  readonly #words = el("div", { class: "nothing" });
  readonly #foot = el("div", { class: "foot" });
  readonly #list: HTMLElement;
  readonly #opened: HTMLElement;
  readonly #minutes = setInterval(() => this.#tellAges(), MINUTE_MS);
  #isAttached = false;
  #limit = PAGE;
  #nextOffset: number | null = null;
  #trouble: Trouble | null = null;
  #hasAnswer = false;
  /** The list was made, but did not come here. */
  #isMissing = false;
  #isLoading = false;
  #shown: Tile | null = null;

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
    this.#render();
  }

  attach(host: Host): void {
    this.#isAttached = true;
    this.#library.ask(host);
    this.#player.attach(host);
    this.#loadMissing();
    this.#render();
    const refresh = (generation: Generation): Promise<boolean> => this.#refresh(generation);
    void goRound(() => this.#running(), refresh, this.#controller.signal);
  }

  looked(): void {
    this.#player.looked();
    this.#render();
  }

  hearInput(given: Fields): void {
    this.#limit = numberOf(given["limit"]) ?? PAGE;
    if (!this.#hasAnswer) this.#nextOffset = numberOf(given["offset"]);
    this.#render();
  }

  /** Take the first page of a new list, or words that there is none. */
  hearAnswer(answer: ToolAnswer): void {
    const reading = readAnswer(answer);
    // ChatGPT may show what this page itself asked for.
    if (reading.kind === "generation") return this.#learn(reading.generation);
    // Claude Desktop hands over the words only (ext-apps #696).
    if (reading.kind === "words" && !pageOf(answer)) return this.hearNothing();
    this.#take(answer);
    this.#render();
  }

  /** The list was made, but is not here: ask for it. */
  hearNothing(): void {
    if (this.#hasAnswer) return;
    this.#isMissing = true;
    this.#loadMissing();
    this.#render();
  }

  hearCancelled(): void {
    if (this.#hasAnswer) return;
    this.#hasAnswer = true;
    this.#trouble = { ...brokenCall(null), message: "The call was stopped." };
    this.#render();
  }

  /** Rest for good. */
  leave(): void {
    this.#controller.abort();
    clearInterval(this.#minutes);
    this.#player.leave();
  }

  // The list

  #take(answer: ToolAnswer): Tile[] {
    this.#hasAnswer = true;
    const page = pageOf(answer);
    if (!page) {
      const reading = readAnswer(answer);
      const words = { ...brokenCall(null), message: GIVEN_UP };
      this.#trouble = reading.kind === "trouble" ? reading.trouble : words;
      return [];
    }
    this.#trouble = null;
    this.#limit = page.limit;
    this.#nextOffset = page.nextOffset;
    return page.generations.flatMap((generation) => this.#put(generation) ?? []);
  }

  /** Add a tile, or bring the one there is up to date. */
  #put(generation: Generation): Tile | null {
    const { id } = generation;
    const known = this.#tiles.get(id);
    known?.update(generation);
    if (known) return null;
    const open = (): void => this.#open(id);
    const tile = new Tile(generation, this.#thumbnails, this.#speech, open);
    this.#tiles.set(id, tile);
    return tile;
  }

  #learn(generation: Generation): void {
    this.#tiles.get(generation.id)?.update(generation);
    this.#render();
  }

  #loadMissing(): void {
    if (!this.#isMissing || !this.#isAttached) return;
    this.#isMissing = false;
    void this.#loadMore();
  }

  async #loadMore(): Promise<void> {
    const isFirst = this.#tiles.size === 0;
    const offset = this.#nextOffset ?? 0;
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#render();
    const added = this.#take(await this.#library.page(this.#limit, offset));
    this.#isLoading = false;
    this.#render();
    if (!isFirst) added.find(({ element }) => !element.hidden)?.focus();
  }

  async #refresh(generation: Generation): Promise<boolean> {
    const fresh = await this.#library.refreshed(generation);
    if (fresh) this.#learn(fresh);
    return fresh !== null;
  }

  /** Those that are worth asking for; the one that is open, the player follows. */
  #running(): Generation[] {
    if (this.#shown || !this.#library.isOpen) return [];
    return [...this.#tiles.values()]
      .filter((tile) => !tile.generation.isFinal && tile.isInView)
      .map(({ generation }) => generation);
  }

  // The one that is open

  #open(id: string): void {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    this.#shown = tile;
    this.#player.show(tile.generation);
    this.#player.resume();
    this.#list.hidden = true;
    this.#opened.hidden = false;
    const back = this.#opened.querySelector("button");
    back?.focus();
    back?.scrollIntoView({ block: "nearest" });
  }

  #back(): void {
    const tile = this.#shown;
    this.#shown = null;
    this.#player.rest();
    this.#opened.hidden = true;
    this.#list.hidden = false;
    this.#render();
    tile?.focus();
  }

  // What is drawn

  #render(): void {
    const tiles = [...this.#tiles.values()];
    const generations = tiles.map(({ generation }) => generation);
    for (const { generation, element } of tiles) element.hidden = !this.#filters.fit(generation);
    const seen = tiles.filter(({ element }) => !element.hidden).length;
    this.#grid.setAttribute("aria-busy", String(!this.#hasAnswer || this.#isLoading));
    this.#drawGrid(tiles);
    this.#filters.draw(generations, this.#speech);
    const extent = { all: tiles.length, seen, hasMore: this.#nextOffset !== null };
    say(this.#status, this.#hasAnswer ? countOf(extent, this.#speech) : WAITING);
    this.#drawWords(tiles.length, seen);
    this.#drawFoot(tiles.length);
  }

  /** Those that are there stay where they are: a film that is moved in the page loads anew. */
  #drawGrid(tiles: readonly Tile[]): void {
    const missing = this.#hasAnswer ? 0 : Math.min(this.#limit, PLACEHOLDERS);
    for (const ghost of this.#grid.querySelectorAll(".ghost-tile")) ghost.remove();
    const added = tiles.filter(({ element }) => element.parentElement !== this.#grid);
    const ghosts = Array.from({ length: missing }, () =>
      el("div", { class: "ghost-tile", "aria-hidden": "true" }),
    );
    this.#grid.append(...added.map(({ element }) => element), ...ghosts);
    this.#grid.hidden = this.#grid.childElementCount === 0;
  }

  #drawWords(all: number, seen: number): void {
    const lines = this.#remarks(all, seen);
    const key = lines.map(({ textContent }) => textContent).join("\n");
    if (this.#words.dataset["key"] !== key) {
      this.#words.dataset["key"] = key;
      keepingFocus(this.#words, () => fill(this.#words, ...lines));
    }
    this.#words.hidden = lines.length === 0;
  }

  #remarks(all: number, seen: number): Element[] {
    if (this.#trouble) return troubleRemark(this.#trouble);
    if (!this.#hasAnswer || seen > 0) return [];
    return nothingRemark(all, () => {
      this.#filters.reset();
      this.#filters.focus();
    });
  }

  #drawFoot(all: number): void {
    const wanted = this.#trouble ? "Try again" : this.#nextOffset !== null ? "Load more" : null;
    const name = this.#library.isOpen && this.#hasAnswer ? wanted : null;
    if (this.#foot.dataset["name"] !== (name ?? "")) {
      this.#foot.dataset["name"] = name ?? "";
      fill(this.#foot, name && pushButton(name, "", null, () => this.#loadMore()));
    }
    const label = this.#foot.querySelector("button span");
    if (label) say(label, this.#isLoading ? "Loading…" : (name ?? ""));
    this.#foot.hidden = name === null || (all === 0 && !this.#trouble);
  }

  #tellAges(): void {
    for (const tile of this.#tiles.values()) tile.tellAge();
  }
}
