// What can be made of a result, and how the page asks the model for it.
//
// A message speaks in the user's name. The only foreign word in it is the id, which was checked: a
// prompt, a label or a reason could hold anything, even orders.

import { idOf, kindOf, type Generation } from "./generation.ts";

export interface Action {
  readonly name: string;
  /** The choices of a menu; without them the action is sent at once. */
  readonly ratios: readonly string[];
  message(ratio: string): string;
}

const RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21"];
const RATIOS_OF_AGENTS_VIDEOS = RATIOS.slice(0, -1);
const ASK = "Ask me first if it costs more than $1.";

export function actionsFor(generation: Generation): readonly Action[] {
  const id = idOf(generation.id);
  const kind = kindOf(generation);
  if (!id || generation.state !== "completed" || kind === "layers") return [];
  const isAgents = generation.api === "agents";
  if (kind === "picture") return pictureActions(id, isAgents);
  return isAgents ? agentsVideoActions(id) : videoActions(id);
}

function videoActions(id: string): Action[] {
  return [
    sent(
      "Extend",
      `Extend the video ${id}: continue it with create_generation, from its end (keyframes: ` +
        `frame0 of type generation with this id). ${ASK}`,
    ),
    sent(
      "Upscale",
      `Upscale the video ${id} with upscale_generation, to the next higher resolution. ${ASK}`,
    ),
    reframe(
      RATIOS,
      (ratio) =>
        `Reframe the video ${id} to ${ratio} with reframe_video (media_url: the link of the ` +
        `video, from get_generation). ${ASK}`,
    ),
    sent(
      "Variation",
      `Make a variation of the video ${id} with create_generation: the same idea, a fresh take. ` +
        `See its prompt with get_generation. ${ASK}`,
    ),
  ];
}

function agentsVideoActions(id: string): Action[] {
  return [
    sent(
      "Extend",
      `Extend the video ${id}: continue it with create_generation and ray-3.2, from its end ` +
        `(keyframes: frame0 of type generation with this id). ${ASK}`,
    ),
    reframe(
      RATIOS_OF_AGENTS_VIDEOS,
      (ratio) =>
        `Reframe the video ${id} to ${ratio} with reframe_video and ray-3.2 (generation_id: ` +
        `this id). ${ASK}`,
    ),
    sent(
      "Variation",
      `Make a variation of the video ${id} with create_generation and ray-3.2: the same idea, a ` +
        `fresh take. See its prompt with get_generation. ${ASK}`,
    ),
  ];
}

function pictureActions(id: string, isAgents: boolean): Action[] {
  const how = isAgents
    ? "generate_image and uni-1 (image_ref: this generation_id)"
    : "generate_image (image_ref: the link of the picture, from get_generation)";
  return [
    reframe(
      RATIOS,
      (ratio) =>
        `Reframe the picture ${id} to ${ratio} with reframe_image (media_url: the link of the ` +
        `picture, from get_generation). ${ASK}`,
    ),
    sent(
      "Variation",
      `Make a variation of the picture ${id} with ${how}: the same idea, a fresh take. ${ASK}`,
    ),
  ];
}

/** After a failure there is one thing to do. */
export function retryAction(id: string): Action {
  return sent(
    "Try again with changes",
    `Generation ${id} failed. See why with get_generation, suggest what to change, and create it ` +
      "again once I agree.",
  );
}

/** Where the host lets the page ask nobody but the model. */
export function askAction(id: string): Action {
  return sent("Ask for the result", `Show me generation ${id} with get_generation.`);
}

function sent(name: string, text: string): Action {
  return { name, ratios: [], message: () => text };
}

function reframe(ratios: readonly string[], message: (ratio: string) => string): Action {
  return { name: "Reframe", ratios, message };
}

/** What the model should know when the page saw the end of a job and the model did not. */
export function endOf(generation: Generation): string {
  const files = [...generation.outputs, ...generation.layers];
  const links = files.map(({ kind, link }) => `${kind}: ${link}`);
  const seen = links.length > 0 ? "The user sees the result in the player already." : null;
  return [`Generation ${generation.id} is ${generation.state}.`, ...links, seen]
    .filter((line) => line !== null)
    .join("\n");
}
