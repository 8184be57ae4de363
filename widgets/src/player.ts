// One job, from the first word about it to its result.

import { actionsFor, askAction, endOf, retryAction } from "./actions.ts";
import { brokenCall, readAnswer, type ToolAnswer, type Trouble } from "./answers.ts";
import { actionButtons, copied, linkField, pushButton, sayOn } from "./buttons.ts";
import { learn, now } from "./clock.ts";
import { el, fill, icon, say } from "./dom.ts";
import { BROWSER, follow, STAY_SECONDS, type Followed, type Refreshed } from "./following.ts";
import { Frame, type FrameOwner, type Renewed, type Source } from "./frame.ts";
import {
  idOf,
  isStale,
  kindOf,
  nameOf,
  newerOf,
  textOf,
  type Fields,
  type Generation,
} from "./generation.ts";
import { succeeds, type File, type Host } from "./host.ts";
import { filesOf, sourcesOf } from "./sources.ts";
import { promptOf, thumbOf, wordsOn, wordsWithout } from "./words.ts";
import { kindWord, lookedAt, ratioOf, type Speech, stateWord } from "./wording.ts";

type Tone = "waiting" | "running" | "done" | "failed" | "trouble" | "words";

const WAITING = "Waiting for Luma…";
const GAVE_UP = "Stopped checking after half an hour. The job goes on at Luma.";
const CANNOT_CHECK = "This chat does not let the page check by itself.";
const TICK_MS = 1_000;

/** Who shows the player, and wants to know what it learns. */
export interface PlayerOwner {
  /** Somebody told the page of a job; `toldAt` is when. */
  told?(id: string, toldAt: number): void;
  /** The page itself learnt how a job stands. */
  learnt?(generation: Generation): void;
}

export class Player implements FrameOwner {
  readonly element: HTMLElement;
  readonly #speech: Speech;
  readonly #owner: PlayerOwner;
  readonly #frame = new Frame(this);
  readonly #timer = el("span", { class: "timer", role: "timer" });
  readonly #status = el("p", { class: "status", role: "status" });
  readonly #facts = el("p", { class: "facts" });
  readonly #note = el("p", { class: "note", "aria-live": "polite" });
  readonly #words = el("div", { class: "words" });
  readonly #strip = el("div", { class: "strip", role: "group" });
  readonly #buttons = el("div", { class: "buttons" });
  #host: Host | null = null;
  #given: Fields = {};
  #generation: Generation | null = null;
  #trouble: Trouble | null = null;
  #text: string | null = null;
  #cancelled = false;
  #noteText = "";
  #chosen = 0;
  #isStuck = false;
  #isResting = false;
  #hasAnswer = false;
  #following: { id: string; controller: AbortController } | null = null;
  #ticking: ReturnType<typeof setInterval> | null = null;
  readonly #drawn = new Map<Element, string>();

  constructor(speech: Speech, owner: PlayerOwner = {}) {
    this.#speech = speech;
    this.#owner = owner;
    const about = el(
      "div",
      { class: "about" },
      el("div", { class: "line" }, this.#status, this.#facts),
      this.#note,
      this.#words,
      this.#strip,
      this.#buttons,
    );
    this.element = el("section", { class: "player", "aria-label": "Generation" });
    this.element.append(el("div", { class: "stage" }, this.#frame.element), about);
    this.#render();
  }

  attach(host: Host): void {
    this.#host = host;
    this.#goOn();
    this.#render();
  }

  looked(): void {
    this.#render();
  }

  hearInput(given: Fields): void {
    this.#given = given;
    const ratio = ratioOf(given["aspect_ratio"]);
    if (ratio && !this.#generation?.isFinal) this.#frame.reserve(ratio);
    this.#goOn();
    this.#render();
  }

  hearAnswer(answer: ToolAnswer): void {
    const reading = readAnswer(answer);
    this.#hasAnswer = true;
    if (reading.kind === "generation") return this.show(reading.generation);
    if (reading.kind === "trouble") this.#hearTrouble(reading.trouble);
    else {
      this.#text = reading.text;
      if (reading.generationId) this.#follow(reading.generationId, null);
    }
    this.#render();
  }

  hearCancelled(): void {
    this.#cancelled = true;
    this.#render();
  }

  /** Show a job as somebody told it: the host, or a list. */
  show(generation: Generation): void {
    this.#hasAnswer = true;
    this.#know(generation);
    this.#owner.told?.(generation.id, generation.asOf ?? now());
    this.#goOn();
    this.#render();
  }

  /** Rest while another card shows the job, or for good. */
  rest(): void {
    this.#isResting = true;
    this.#stop();
    this.#frame.pause();
    this.#tick(false);
  }

  resume(): void {
    this.#isResting = false;
    this.#goOn();
    this.#render();
  }

  // What is known

  #know(generation: Generation): void {
    const known = this.#generation;
    const isSame = known?.id === generation.id;
    if (!isSame) {
      this.#stop();
      this.#chosen = 0;
    }
    this.#generation = known && isSame ? newerOf(known, generation) : generation;
    this.#trouble = null;
    this.#text = null;
    this.#cancelled = false;
    this.#noteText = "";
    this.#isStuck = false;
  }

  #hearTrouble(trouble: Trouble): void {
    const id = trouble.generationId;
    if (this.#generation && (!id || id === this.#generation.id)) {
      this.#noteText = trouble.message; // the job is none the worse for it
      return this.#goOn();
    }
    this.#stop();
    this.#generation = null;
    this.#trouble = trouble;
    if (id) this.#follow(id, null);
  }

  /** Follow the job that is known, as far as there is one to follow. */
  #goOn(): void {
    const generation = this.#generation;
    if (generation?.isFinal) this.#stop();
    else if (generation) this.#follow(generation.id, generation.state);
    else if (!this.#trouble) {
      const id = idOf(lookedAt(this.#given));
      if (id) this.#follow(id, null);
    }
  }

  #stop(): void {
    this.#following?.controller.abort();
    this.#following = null;
  }

  #follow(id: string, knownState: string | null): void {
    if (!this.#host?.can.callTools || this.#isResting || this.#following?.id === id) return;
    this.#stop();
    const controller = new AbortController();
    const { signal } = controller;
    const followed: Followed = {
      knownState,
      refresh: (state) => this.#refresh(id, { state, signal }),
      heard: (generation) => this.#heard(generation),
      troubled: () => this.#noted("Trouble reaching Luma. Trying again."),
      gaveUp: (trouble) => this.#gaveUp(trouble),
    };
    this.#following = { id, controller };
    this.#isStuck = false;
    void follow(followed, BROWSER, signal);
  }

  async #refresh(
    id: string,
    { state, signal, withPoster = false }: Refreshing,
  ): Promise<Refreshed & { poster?: string | null }> {
    const host = this.#host;
    if (!host?.can.callTools) return { trouble: brokenCall({ code: -32_601 }) };
    const given = {
      generation_id: id,
      ...(state === undefined ? {} : { timeout_seconds: STAY_SECONDS, known_state: state }),
      ...(withPoster ? { with_poster: true } : {}),
    };
    try {
      const reading = readAnswer(await host.callTool("refresh_generation", given, signal));
      if (reading.kind === "trouble") return reading;
      if (reading.kind === "words") return { trouble: brokenCall(null) };
      learn(reading.generation);
      return reading;
    } catch (error) {
      return { trouble: brokenCall(error) };
    }
  }

  #heard(generation: Generation): void {
    const wasFinal = this.#generation?.isFinal ?? false;
    this.#know(generation);
    this.#owner.learnt?.(generation);
    if (generation.isFinal) {
      this.#following = null;
      if (!wasFinal && this.#hasAnswer) this.#tellModel(generation);
    }
    this.#render();
  }

  /** The model was told that the job goes on; it need not wake up for the news. */
  #tellModel(generation: Generation): void {
    const host = this.#host;
    if (host?.can.tellModel) void succeeds(host.tellModel(endOf(generation)));
  }

  #noted(text: string): void {
    this.#noteText = text;
    this.#render();
  }

  #gaveUp(trouble: Trouble | null): void {
    this.#following = null;
    this.#isStuck = true;
    if (trouble && !this.#generation) this.#trouble = trouble;
    this.#noted(trouble ? [trouble.message, trouble.advice ?? ""].join(" ").trim() : GAVE_UP);
  }

  // What the frame asks

  shaped(ratio: number): void {
    if (this.element) this.element.dataset["shape"] = ratio < 0.8 ? "tall" : "wide";
  }

  opener(): ((key: string) => void) | null {
    const host = this.#host;
    if (!host?.can.openLinks) return null;
    return () => void this.#open();
  }

  async renew(key: string, withPoster: boolean): Promise<Renewed | null> {
    const generation = this.#generation;
    if (!generation) return null;
    const answer = await this.#refresh(generation.id, { withPoster });
    if (!("generation" in answer) || this.#generation?.id !== generation.id) return null;
    this.#generation = newerOf(generation, answer.generation);
    this.#owner.learnt?.(this.#generation);
    this.#render();
    const source = this.#sources().find((one) => one.key === key) ?? null;
    return { source, poster: answer.poster ?? null };
  }

  // What can be seen and taken home

  #sources(): Source[] {
    return this.#generation ? sourcesOf(this.#generation, this.#given["loop"] === true) : [];
  }

  #source(): Source | null {
    const sources = this.#sources();
    return sources[this.#chosen] ?? sources[0] ?? null;
  }

  /** The chosen files with links that work. */
  async #files(): Promise<readonly File[]> {
    const generation = this.#generation;
    const source = this.#source();
    if (!generation || !source) return [];
    const isOld = isStale(generation, now());
    const fresh = isOld ? (await this.renew(source.key, false))?.source : source;
    return filesOf(generation, fresh ?? source);
  }

  async #open(): Promise<void> {
    const [file] = await this.#files();
    if (file && this.#host && !(await succeeds(this.#host.openLink(file.link)))) {
      this.#offerLink([file]);
    }
  }

  async #download(button: HTMLButtonElement): Promise<void> {
    const host = this.#host;
    if (!host?.can.download) return this.#open();
    const files = await this.#files();
    if (!(await succeeds(host.download(files)))) {
      sayOn(button, "Not saved", false);
      this.#offerLink(files);
    }
  }

  async #copy(button: HTMLButtonElement): Promise<void> {
    const files = await this.#files();
    const text = files.map(({ link }) => link).join("\n");
    const isCopied = await copied(text, () => this.#offerLink(files));
    sayOn(button, isCopied ? "Copied" : "Copy it here", isCopied);
  }

  #offerLink(files: readonly File[]): HTMLElement {
    const field = linkField(files.map(({ link }) => link).join(" "));
    this.#buttons.querySelector("input.link")?.remove();
    this.#buttons.append(field);
    return field;
  }

  // What is drawn

  #tone(): Tone {
    const generation = this.#generation;
    if (!generation && (this.#text || this.#cancelled)) return "words";
    if (!generation) return this.#trouble ? "trouble" : "waiting";
    if (generation.state === "failed") return "failed";
    return generation.isFinal ? "done" : "running";
  }

  #render(): void {
    const tone = this.#tone();
    this.element.dataset["tone"] = tone;
    if (this.#generation) this.element.dataset["makes"] = kindOf(this.#generation);
    this.#drawFrame(tone);
    say(this.#status, this.#statusWord(tone));
    this.#drawFacts();
    this.#drawNote(tone);
    this.#drawWords();
    this.#drawStrip();
    this.#drawButtons(tone);
    this.#tick(tone === "running" || tone === "done");
  }

  /** Draw a part anew only if what it shows is another; focus and media stay. */
  #once(part: Element, key: unknown, draw: () => void): void {
    const text = JSON.stringify(key);
    if (this.#drawn.get(part) === text) return;
    this.#drawn.set(part, text);
    draw();
  }

  #drawFrame(tone: Tone): void {
    const source = this.#source();
    if (tone === "waiting" || tone === "running") {
      this.#frame.wait(tone === "running", this.#timer);
    } else if (source && this.#generation) {
      this.#frame.show(source, isStale(this.#generation, now()));
    } else {
      this.#frame.hide();
    }
  }

  #statusWord(tone: Tone): string {
    if (this.#generation) return stateWord(this.#generation.state);
    if (tone === "waiting") return WAITING;
    if (this.#trouble) return this.#trouble.message;
    return this.#text ? "Luma answered" : "Stopped";
  }

  #drawFacts(): void {
    const generation = this.#generation;
    const model = generation ? generation.model : nameOf(this.#given["model"]);
    const cost = generation?.costUsd;
    const facts = [
      generation && kindWord(generation),
      model,
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

  #drawNote(tone: Tone): void {
    const isBlind = tone === "running" && this.#host !== null && !this.#host.can.callTools;
    say(this.#note, isBlind ? CANNOT_CHECK : tone === "running" ? this.#noteText : "");
  }

  #drawWords(): void {
    const generation = this.#generation;
    const prompt = generation?.prompt ?? (generation ? null : textOf(this.#given["prompt"]));
    const said = generation
      ? wordsOn(generation, this.#sources().length > 0)
      : wordsWithout(this.#trouble, this.#text, this.#cancelled);
    this.#once(this.#words, [prompt, said], () => {
      const lines = said.map(({ text, look }) => el("p", { class: look, dir: "auto" }, text));
      fill(this.#words, prompt !== null && promptOf(prompt), ...lines);
    });
  }

  #drawStrip(): void {
    const sources = this.#sources();
    const key = sources.map(({ key, files }) => [key, files[0]?.link]);
    this.#once(this.#strip, [key, this.#generation?.id], () => {
      this.#strip.hidden = sources.length < 2;
      const isLayers = this.#generation !== null && kindOf(this.#generation) === "layers";
      this.#strip.setAttribute("aria-label", isLayers ? "Layers" : "Files");
      const choices =
        sources.length < 2 ? [] : sources.map((one, place) => this.#choice(one, place));
      fill(this.#strip, ...choices);
    });
    for (const [place, choice] of [...this.#strip.children].entries()) {
      choice.setAttribute("aria-pressed", String(place === this.#chosen));
    }
  }

  #choice({ files }: Source, place: number): HTMLElement {
    const [file] = files;
    const choose = (): void => {
      this.#chosen = place;
      this.#render();
    };
    const isPile = files.length > 1;
    return el(
      "button",
      { type: "button", class: "thumb", click: choose },
      isPile || !file ? icon("layers") : thumbOf(file),
      el("span", { dir: "auto" }, isPile ? "All layers" : (file?.name ?? "File")),
    );
  }

  #drawButtons(tone: Tone): void {
    const { can } = this.#host ?? {};
    const { mode, offersFullscreen } = this.#host?.look() ?? {};
    const id = this.#generation?.id ?? this.#trouble?.generationId;
    const count = this.#source()?.files.length;
    const canAgain = this.#isStuck || (this.#trouble?.isRetryable === true && !this.#following);
    const key = [tone, id, can, mode, offersFullscreen, canAgain, count];
    this.#once(this.#buttons, key, () => fill(this.#buttons, ...this.#buttonsFor(tone, canAgain)));
  }

  #buttonsFor(tone: Tone, canAgain: boolean): HTMLElement[] {
    const host = this.#host;
    const generation = this.#generation;
    if (!host) return [];
    if (tone === "done") return [...this.#takers(host), ...this.#makers(host)];
    const id = idOf(generation?.id ?? this.#trouble?.generationId ?? lookedAt(this.#given));
    if (!id) return [];
    if (tone === "failed") return this.#asking(retryAction(id), "primary");
    if (!host.can.callTools) return this.#asking(askAction(id), "");
    return canAgain ? [this.#again(id)] : [];
  }

  #again(id: string): HTMLElement {
    return pushButton("Check again", "", null, () => {
      if (!this.#generation) this.#trouble = null;
      this.#noteText = "";
      this.#follow(id, this.#generation?.state ?? null);
      this.#render();
    });
  }

  #takers(host: Host): HTMLElement[] {
    const source = this.#source();
    if (!source) return this.#fullscreen(host);
    const canTake = host.can.download || (host.can.openLinks && source.files.length === 1);
    const download: HTMLButtonElement = pushButton("Download", "primary", "download", () =>
      this.#download(download),
    );
    const copy: HTMLButtonElement = pushButton("Copy link", "", "link", () => this.#copy(copy));
    const group = el("div", { class: "takers" }, canTake && download, copy);
    group.append(...this.#fullscreen(host));
    return [group];
  }

  #fullscreen(host: Host): HTMLElement[] {
    const { mode, offersFullscreen } = host.look();
    if (!offersFullscreen) return [];
    const isFull = mode === "fullscreen";
    const name = isFull ? "Exit full screen" : "Full screen";
    const change = (): void =>
      void host.setMode(isFull ? "inline" : "fullscreen").catch(() => undefined);
    const sign = icon(isFull ? "shrink" : "expand");
    const button = el("button", { type: "button", class: "button bare", click: change }, sign);
    button.setAttribute("aria-label", name);
    button.title = name;
    return [button];
  }

  #makers(host: Host): HTMLElement[] {
    const generation = this.#generation;
    if (!generation || !host.can.sendMessages) return [];
    const found = actionsFor(generation).map((action) => this.#asking(action, "ghost"));
    if (found.length === 0) return [];
    const menus = found.flatMap(([, ...rest]) => rest);
    const group = el("div", { class: "makers" }, ...found.flatMap(([first]) => first ?? []));
    return [group, ...menus];
  }

  #asking(action: Parameters<typeof actionButtons>[0], look: string): HTMLElement[] {
    const host = this.#host;
    if (!host?.can.sendMessages) return [];
    return actionButtons(action, look, (text) => succeeds(host.sendMessage(text)));
  }

  // Time

  #tick(isTicking: boolean): void {
    this.#tell();
    if (isTicking === (this.#ticking !== null)) return;
    if (this.#ticking !== null) clearInterval(this.#ticking);
    this.#ticking = isTicking ? setInterval(() => this.#tell(), TICK_MS) : null;
  }

  #tell(): void {
    const created = this.#generation?.createdAt;
    const since = typeof created === "number" ? now() - created : null;
    say(this.#timer, since === null ? "" : this.#speech.elapsed(since));
    const age = this.#facts.querySelector("time");
    if (age && since !== null) say(age, this.#speech.age(since));
  }
}

interface Refreshing {
  readonly state?: string | null;
  readonly signal?: AbortSignal;
  readonly withPoster?: boolean;
}
