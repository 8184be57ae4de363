// The buttons by which a result is taken out of the chat, or made as large as it goes.

import { copied, linkField, pushButton, sayOn } from "./buttons.ts";
import { el, icon } from "./dom.ts";
import { succeeds, type File, type Host } from "./host.ts";
import type { Source } from "./sources.ts";

/** Gives the chosen files with links that work. */
export type FreshFiles = () => Promise<readonly File[]>;

export class Taking {
  readonly #files: FreshFiles;
  readonly #around: HTMLElement;

  constructor(files: FreshFiles, around: HTMLElement) {
    this.#files = files;
    this.#around = around;
  }

  buttons(host: Host, source: Source | null): HTMLElement[] {
    if (!source) return fullscreenButtons(host);
    const canTake = host.can.download || (host.can.openLinks && source.files.length === 1);
    const download: HTMLButtonElement = pushButton("Download", "primary", "download", () =>
      this.#download(host, download),
    );
    const copy: HTMLButtonElement = pushButton("Copy link", "", "link", () => this.#copy(copy));
    const all = [canTake && download, copy, ...fullscreenButtons(host)];
    return [el("div", { class: "takers" }, ...all)];
  }

  /** Let the host open the file elsewhere. */
  async open(host: Host): Promise<void> {
    const files = await this.#files();
    const [file] = files;
    if (file && !(await succeeds(host.openLink(file.link)))) this.#offerLink(files);
  }

  async #download(host: Host, button: HTMLButtonElement): Promise<void> {
    if (!host.can.download) return this.open(host);
    const files = await this.#files();
    if (files.length > 0 && (await succeeds(host.download(files)))) return;
    sayOn(button, "Not saved", false);
    this.#offerLink(files);
  }

  async #copy(button: HTMLButtonElement): Promise<void> {
    const files = await this.#files();
    const text = files.map(({ link }) => link).join("\n");
    const isCopied = await copied(text, () => this.#offerLink(files));
    sayOn(button, isCopied ? "Copied" : "Copy it here", isCopied);
  }

  #offerLink(files: readonly File[]): HTMLElement {
    const field = linkField(files.map(({ link }) => link).join(" "));
    this.#around.querySelector("input.link")?.remove();
    this.#around.append(field);
    return field;
  }
}

function fullscreenButtons(host: Host): HTMLElement[] {
  const { mode, offersFullscreen } = host.look();
  if (!offersFullscreen) return [];
  const isFull = mode === "fullscreen";
  const name = isFull ? "Exit full screen" : "Full screen";
  const change = (): void =>
    void host.setMode(isFull ? "inline" : "fullscreen").catch(() => undefined);
  const sign = icon(isFull ? "shrink" : "expand");
  const attributes = { type: "button", class: "button bare", "aria-label": name, title: name };
  return [el("button", { ...attributes, click: change }, sign)];
}
