// One job, from the first word about it to its result.

import { About } from "./about.ts";
import { endOf } from "./actions.ts";
import { readAnswer, type ToolAnswer, type Trouble } from "./answers.ts";
import { now } from "./clock.ts";
import { el } from "./dom.ts";
import { Frame, type FrameOwner, type Renewed } from "./frame.ts";
import { isStale, kindOf, newerOf, type Fields, type Generation } from "./generation.ts";
import { succeeds, type File, type Host } from "./host.ts";
import { Inquiry } from "./inquiry.ts";
import { Knowledge } from "./knowledge.ts";
import { Offers } from "./offers.ts";
import { filesOf, type Source } from "./sources.ts";
import { Strip } from "./strip.ts";
import { ratioOf, type Speech } from "./wording.ts";

const GAVE_UP = "Stopped checking after half an hour. The job goes on at Luma.";
const TROUBLE = "Trouble reaching Luma. Trying again.";
const TICK_MS = 1_000;

/** Who shows the player, and wants to know what it learns. */
export interface PlayerOwner {
  /** Somebody told the page of a job; `toldAt` is when. */
  told?(id: string, toldAt: number): void;
  /** The page itself learnt how a job stands. */
  learnt?(generation: Generation): void;
}

export class Player implements FrameOwner {
  readonly element = el("section", { class: "player", "aria-label": "Generation" });
  readonly #owner: PlayerOwner;
  readonly #known = new Knowledge();
  readonly #inquiry = new Inquiry({
    heard: (generation) => this.#heard(generation),
    troubled: () => this.#note(TROUBLE),
    gaveUp: (trouble) => this.#gaveUp(trouble),
  });
  readonly #frame = new Frame(this);
  readonly #about: About;
  readonly #strip = new Strip((place) => this.#choose(place));
  readonly #offers = new Offers(
    () => this.#files(),
    () => this.#checkAgain(),
  );
  #host: Host | null = null;
  #chosen = 0;
  #isResting = false;
  #ticking: ReturnType<typeof setInterval> | null = null;

  constructor(speech: Speech, owner: PlayerOwner = {}) {
    this.#owner = owner;
    this.#about = new About(speech);
    const { line, note, words } = this.#about;
    const parts = [line, note, words, this.#strip.element, this.#offers.element];
    const stage = el("div", { class: "stage" }, this.#frame.element);
    this.element.append(stage, el("div", { class: "about" }, ...parts));
    this.#render();
  }

  attach(host: Host): void {
    this.#host = host;
    this.#inquiry.ask(host);
    this.#goOn();
  }

  looked(): void {
    this.#render();
  }

  hearInput(given: Fields): void {
    this.#known.given = given;
    const ratio = ratioOf(given["aspect_ratio"]);
    if (ratio && !this.#known.generation?.isFinal) this.#frame.reserve(ratio);
    this.#goOn();
  }

  hearAnswer(answer: ToolAnswer): void {
    const reading = readAnswer(answer);
    this.#known.hasAnswer = true;
    if (reading.kind === "generation") return this.show(reading.generation);
    if (reading.kind === "trouble") this.#hearTrouble(reading.trouble);
    // Claude Desktop hands over the words only (ext-apps #696): the job's name is among them.
    else this.#known.hearWords(reading.text, reading.generationId);
    this.#goOn();
  }

  hearCancelled(): void {
    this.#known.isCancelled = true;
    this.#goOn();
  }

  /** Only the name of the job is left of what was answered once. */
  recall(id: string): void {
    if (!this.#known.hasAnswer) this.#known.hearWords(null, id);
    this.#goOn();
  }

  /** Show a job as somebody told it: the host, or a list. */
  show(generation: Generation): void {
    this.#known.hasAnswer = true;
    this.#learn(generation);
    this.#owner.told?.(generation.id, generation.asOf ?? now());
    this.#goOn();
  }

  /** Rest while another card shows the job. */
  rest(): void {
    this.#isResting = true;
    this.#inquiry.stop();
    this.#frame.pause();
    this.#render();
  }

  resume(): void {
    this.#isResting = false;
    this.#goOn();
  }

  /** Rest for good. */
  leave(): void {
    this.#inquiry.ask(null);
    this.rest();
  }

  // What is known

  #learn(generation: Generation): void {
    if (!this.#known.isAbout(generation)) {
      this.#inquiry.stop();
      this.#chosen = 0;
    }
    this.#known.learn(generation);
  }

  #hearTrouble(trouble: Trouble): void {
    this.#known.hearTrouble(trouble);
    if (!this.#known.generation) this.#inquiry.stop();
  }

  /** Follow the job, as far as there is one to follow, and show how it stands. */
  #goOn(): void {
    const { generation, followed, isStuck } = this.#known;
    if (generation?.isFinal) this.#inquiry.stop();
    else if (followed && !this.#isResting && !isStuck) {
      this.#inquiry.start(followed, generation?.state ?? null);
    }
    this.#render();
  }

  #heard(generation: Generation): void {
    const wasFinal = this.#known.generation?.isFinal === true;
    this.#learn(generation);
    this.#owner.learnt?.(generation);
    if (!wasFinal && this.#known.isNewsToTheModel) this.#tellModel(generation);
    this.#render();
  }

  /** The model was told that the job goes on; it need not wake up for the news. */
  #tellModel(generation: Generation): void {
    const host = this.#host;
    if (host?.can.tellModel) void succeeds(host.tellModel(endOf(generation)));
  }

  #note(text: string): void {
    this.#known.note = text;
    this.#render();
  }

  #gaveUp(trouble: Trouble | null): void {
    this.#known.isStuck = true;
    if (trouble && !this.#known.generation && !this.#known.text) this.#known.trouble = trouble;
    this.#note(trouble ? [trouble.message, trouble.advice ?? ""].join(" ").trim() : GAVE_UP);
  }

  #checkAgain(): void {
    this.#known.askAgain();
    this.#goOn();
  }

  // What the frame asks

  shaped(ratio: number): void {
    this.element.dataset["shape"] = ratio < 0.8 ? "tall" : "wide";
  }

  opener(): (() => void) | null {
    const host = this.#host;
    return host?.can.openLinks ? () => void this.#offers.taking.open(host) : null;
  }

  async renew(key: string, withPoster: boolean): Promise<Renewed | null> {
    const known = this.#known.generation;
    if (!known) return null;
    const answer = await this.#inquiry.refresh(known.id, withPoster ? { with_poster: true } : {});
    const current = this.#known.generation;
    if (!("generation" in answer) || current?.id !== known.id) return null;
    this.#known.generation = newerOf(current, answer.generation);
    this.#owner.learnt?.(this.#known.generation);
    this.#render();
    const source = this.#known.sources.find((one) => one.key === key) ?? null;
    return { source, poster: answer.poster ?? null };
  }

  // What is chosen of it

  #choose(place: number): void {
    this.#chosen = place;
    this.#render();
  }

  #source(): Source | null {
    const { sources } = this.#known;
    return sources[this.#chosen] ?? sources[0] ?? null;
  }

  async #files(): Promise<readonly File[]> {
    const { generation } = this.#known;
    const source = this.#source();
    if (!generation || !source) return [];
    const isOld = isStale(generation, now());
    const fresh = isOld ? (await this.renew(source.key, false))?.source : source;
    return filesOf(generation, fresh ?? source);
  }

  // What is drawn

  #render(): void {
    const known = this.#known;
    known.isAsked = this.#inquiry.isOn;
    const { tone, generation } = known;
    this.element.dataset["tone"] = tone;
    if (generation) this.element.dataset["makes"] = kindOf(generation);
    this.#drawFrame();
    this.#about.draw(known, this.#host);
    const isLayers = generation !== null && kindOf(generation) === "layers";
    this.#strip.draw(known.sources, this.#chosen, isLayers ? "Layers" : "Files");
    this.#offers.draw(known, this.#host, this.#source());
    this.#tick(!this.#isResting && (tone === "running" || tone === "done"));
  }

  #drawFrame(): void {
    const { tone, generation } = this.#known;
    const source = this.#source();
    if (tone === "waiting" || tone === "running") {
      this.#frame.wait(tone === "running", this.#about.timer);
    } else if (source && generation) {
      this.#frame.show(source, isStale(generation, now()));
    } else {
      this.#frame.hide();
    }
  }

  #tick(isTicking: boolean): void {
    if (isTicking === (this.#ticking !== null)) return;
    if (this.#ticking !== null) clearInterval(this.#ticking);
    const tell = (): void => this.#about.tellTime(this.#known);
    this.#ticking = isTicking ? setInterval(tell, TICK_MS) : null;
  }
}
