// The dialect of MCP Apps (specification 2026-01-26), spoken by the official SDK.

import {
  App,
  applyHostFonts,
  applyHostStyleVariables,
  type McpUiHostContext,
} from "@modelcontextprotocol/ext-apps";
import { fieldsOf, listOf, numberOf, textOf } from "./generation.ts";
import type { ToolAnswer } from "./answers.ts";
import { CALL_TIMEOUT_MS, type Abilities, type Host, type Listener, type Look } from "./host.ts";

const SELF = { name: "luma-mcp", version: "1.0.0" };

/** The connection, of which nothing is heard before `connect` is called and a host answers. */
export class Standard {
  readonly #app = new App(SELF, { availableDisplayModes: ["inline", "fullscreen"] });
  readonly #listener: Listener;
  #isLeft = false;

  constructor(listener: Listener) {
    this.#listener = listener;
    // Before the handshake: a host may send them right behind it, and only once.
    this.#app.addEventListener("toolinput", ({ arguments: given }) => {
      if (!this.#isLeft) listener.input(given ?? {});
    });
    this.#app.addEventListener("toolresult", (result) => {
      if (!this.#isLeft) listener.answered(answerOf(result));
    });
    this.#app.addEventListener("toolcancelled", () => {
      if (!this.#isLeft) listener.cancelled();
    });
    this.#app.addEventListener("hostcontextchanged", (changed) => {
      if (!this.#isLeft) this.#show(changed);
    });
    this.#app.onteardown = () => {
      listener.torndown();
      return {};
    };
  }

  async connect(): Promise<Host> {
    await this.#app.connect();
    this.#show(this.#app.getHostContext() ?? {});
    return hostOf(this.#app);
  }

  /** Another dialect was quicker: hear nothing any more. */
  leave(): void {
    this.#isLeft = true;
    void this.#app.close();
  }

  #show(changed: McpUiHostContext): void {
    if (changed.styles?.variables) applyHostStyleVariables(changed.styles.variables);
    if (changed.styles?.css?.fonts) applyHostFonts(changed.styles.css.fonts);
    this.#listener.looked(lookOf(this.#app.getHostContext() ?? changed));
  }
}

function hostOf(app: App): Host {
  const patience = { timeout: CALL_TIMEOUT_MS };
  return {
    can: abilitiesOf(app),
    look: () => lookOf(app.getHostContext() ?? {}),
    callTool: async (name, given, signal) => {
      const options = signal ? { ...patience, signal } : patience;
      return answerOf(await app.callServerTool({ name, arguments: { ...given } }, options));
    },
    sendMessage: async (text) =>
      !(await app.sendMessage({ role: "user", content: [{ type: "text", text }] })).isError,
    openLink: async (url) => !(await app.openLink({ url })).isError,
    download: async (files) => {
      const contents = files.map(({ link, name, mimeType }) => ({
        type: "resource_link" as const,
        uri: link,
        name,
        mimeType,
      }));
      return !(await app.downloadFile({ contents })).isError;
    },
    tellModel: async (text) => {
      await app.updateModelContext({ content: [{ type: "text", text }] });
      return true;
    },
    setMode: async (mode) => {
      await app.requestDisplayMode({ mode });
    },
  };
}

function abilitiesOf(app: App): Abilities {
  const host = app.getHostCapabilities() ?? {};
  return {
    callTools: Boolean(host.serverTools),
    sendMessages: Boolean(host.message),
    openLinks: Boolean(host.openLinks),
    download: Boolean(host.downloadFile),
    tellModel: Boolean(host.updateModelContext),
  };
}

function lookOf(context: McpUiHostContext): Look {
  const box = fieldsOf(context.containerDimensions);
  return {
    theme: context.theme ?? null,
    locale: context.locale ?? null,
    timeZone: context.timeZone ?? null,
    maxHeight: numberOf(box["height"]) ?? numberOf(box["maxHeight"]),
    insets: context.safeAreaInsets ?? null,
    mode: context.displayMode ?? "inline",
    offersFullscreen: Boolean(context.availableDisplayModes?.includes("fullscreen")),
  };
}

export function answerOf(result: unknown): ToolAnswer {
  const fields = fieldsOf(result);
  const texts = listOf(fields["content"]).map((block) => textOf(fieldsOf(block)["text"]));
  return {
    structured: fields["structuredContent"] ?? null,
    text: texts.find((text) => text !== null) ?? null,
    isError: fields["isError"] === true,
  };
}
