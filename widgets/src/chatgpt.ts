// The dialect of ChatGPT before MCP Apps: an object `window.openai` and one event.
//
// ChatGPT speaks the standard as well, but when a conversation is loaded anew the standard's
// messages do not come (ext-apps #522), and what is here may be all there is.

import type { ToolAnswer } from "./answers.ts";
import { fieldsOf, numberOf, textOf, type Fields } from "./generation.ts";
import { Height } from "./height.ts";
import { CALL_TIMEOUT_MS, type DisplayMode, type Host, type Listener, type Look } from "./host.ts";
import { answerOf } from "./standard.ts";

/** As documented at developers.openai.com/apps-sdk; each member may be missing. */
interface OpenAi {
  toolInput?: unknown;
  toolOutput?: unknown;
  toolResponseMetadata?: unknown;
  widgetState?: unknown;
  theme?: unknown;
  locale?: unknown;
  maxHeight?: unknown;
  displayMode?: unknown;
  safeArea?: unknown;
  callTool?(name: string, given: Fields): Promise<unknown>;
  sendFollowUpMessage?(message: { prompt: string }): Promise<unknown>;
  openExternal?(link: { href: string; redirectUrl: false }): unknown;
  requestDisplayMode?(wish: { mode: DisplayMode }): Promise<unknown>;
  notifyIntrinsicHeight?(height: number): unknown;
  setWidgetState?(state: Fields): unknown;
}

declare global {
  interface Window {
    openai?: OpenAi;
  }
}

const CHANGED = "openai:set_globals";

export function isThere(): boolean {
  return typeof window.openai === "object" && window.openai !== null;
}

/** What `window.openai` knows, and the host behind it if nobody speaks the standard. */
export class ChatGpt {
  readonly #listener: Listener;
  readonly #hearing = new AbortController();
  readonly #heard = new Map<string, string>();
  #height: Height | null = null;
  #isHost = false;

  constructor(listener: Listener) {
    this.#listener = listener;
    window.addEventListener(CHANGED, () => this.hear(), { signal: this.#hearing.signal });
  }

  /** Pass on what there is. */
  hear(): void {
    if (!isThere() || this.#hearing.signal.aborted) return;
    if (this.#isHost) this.#listener.looked(lookOf());
    this.#height?.again();
    const { toolInput, widgetState } = window.openai ?? {};
    const output = outputNow();
    if (this.#isNews("input", toolInput)) this.#listener.input(fieldsOf(toolInput));
    if (this.#isNews("output", output)) this.#listener.answered(outputOf(output));
    else if (!output && this.#isNews("state", widgetState)) {
      this.#listener.recalled(fieldsOf(widgetState));
    }
  }

  begin(): Host {
    this.#isHost = true;
    this.hear();
    this.#height = new Height((pixels) => window.openai?.notifyIntrinsicHeight?.(pixels));
    return hostOf();
  }

  /** The standard tells it all. */
  leave(): void {
    this.#hearing.abort();
  }

  /** Whether it says something that it did not say before: each event brings new objects. */
  #isNews(name: string, value: unknown): boolean {
    if (value === null || value === undefined) return false;
    const text = JSON.stringify(value);
    if (this.#heard.get(name) === text) return false;
    this.#heard.set(name, text);
    return true;
  }
}

/** The same host, spoken to in the standard, can a little more in its own dialect. */
export function withItsOwn(host: Host): Host {
  const { openLink, remember } = hostOf();
  return window.openai?.openExternal ? { ...host, openLink, remember } : { ...host, remember };
}

/** What the tool answered; in a conversation that was loaded anew it may be in another place. */
function outputNow(): unknown {
  const { toolOutput, toolResponseMetadata } = window.openai ?? {};
  if (isSomething(toolOutput)) return toolOutput;
  const { mcp_tool_result, call_tool_result } = fieldsOf(toolResponseMetadata);
  return [mcp_tool_result, call_tool_result].find((result) => isSomething(result)) ?? null;
}

function isSomething(output: unknown): boolean {
  if (typeof output === "string") return output !== "";
  return Object.keys(fieldsOf(output)).length > 0;
}

function outputOf(output: unknown): ToolAnswer {
  if (typeof output === "string") return { structured: null, text: output, isError: false };
  const { structuredContent, content } = fieldsOf(output);
  if (structuredContent || Array.isArray(content)) return answerOf(output);
  return { structured: output, text: textOf(fieldsOf(output)["text"]), isError: false };
}

function hostOf(): Host {
  const openai = window.openai ?? {};
  return {
    can: {
      callTools: Boolean(openai.callTool),
      sendMessages: Boolean(openai.sendFollowUpMessage),
      openLinks: Boolean(openai.openExternal),
      download: false,
      tellModel: false,
    },
    look: lookOf,
    callTool: async (name, given) =>
      called(await within(CALL_TIMEOUT_MS, window.openai?.callTool?.(name, given))),
    sendMessage: async (prompt) => {
      await window.openai?.sendFollowUpMessage?.({ prompt });
      return true;
    },
    openLink: async (href) => {
      // Otherwise the way back is added to the link, and the signature in it is broken.
      await window.openai?.openExternal?.({ href, redirectUrl: false });
      return true;
    },
    download: async () => false,
    tellModel: async () => false,
    setMode: async (mode) => {
      await window.openai?.requestDisplayMode?.({ mode });
    },
    remember: (memory) => {
      // Which the model sees, so that nothing else is in it.
      void Promise.resolve(window.openai?.setWidgetState?.(memory)).catch(() => undefined);
    },
  };
}

function within<Answer>(milliseconds: number, answer: Promise<Answer> | undefined): unknown {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("no answer")), milliseconds);
  });
  return Promise.race([answer, late]);
}

/** An answer of `callTool`: a tool's result, or its text as JSON in `result`. */
function called(answer: unknown): ToolAnswer {
  const result = fieldsOf(answer)["result"];
  if (typeof result !== "string") return answerOf(result ?? answer);
  try {
    return { structured: JSON.parse(result) as unknown, text: result, isError: false };
  } catch {
    return { structured: null, text: result, isError: false };
  }
}

function lookOf(): Look {
  const openai = window.openai ?? {};
  const { theme, displayMode } = openai;
  const insets = fieldsOf(fieldsOf(openai.safeArea)["insets"]);
  const inset = (side: string): number => numberOf(insets[side]) ?? 0;
  return {
    theme: theme === "dark" || theme === "light" ? theme : null,
    locale: textOf(openai.locale, 40),
    timeZone: null,
    maxHeight: numberOf(openai.maxHeight),
    insets: {
      top: inset("top"),
      right: inset("right"),
      bottom: inset("bottom"),
      left: inset("left"),
    },
    mode: displayMode === "fullscreen" || displayMode === "pip" ? displayMode : "inline",
    offersFullscreen: Boolean(openai.requestDisplayMode),
  };
}
