// The way that every client in Node goes, and what it tells of it: the twin of ../journey.py.
import { createRequire } from "node:module";

const WISH = { prompt: "A paper boat on a quiet lake at dawn", aspect_ratio: "9:16" };
const UNKNOWN = { generation_id: "123e4567-e89b-12d3-a456-426614174000" };

// The packages are installed where imports do not look.
export const require = createRequire(new URL("../../node/package.json", import.meta.url));

/** Read the endpoint, the header with the key and what else there is from the command line. */
export function order() {
  const [endpoint, header, ...rest] = process.argv.slice(2);
  const [name, value] = header.split(": ");
  return { endpoint: new URL(endpoint), headers: { [name]: value }, rest };
}

/** Go from a prompt to the finished video, and into one error; print it as one line of JSON. */
export async function travel(client, callTool) {
  const progress = [];
  const call = (name, args) =>
    callTool({ name, arguments: args }, { onprogress: ({ message }) => progress.push(message) });
  const { tools } = await client.listTools();
  const made = (await call("create_generation", WISH)).structuredContent;
  const patience = { generation_id: made.id, timeout_seconds: 600 };
  const done = (await call("wait_for_generation", patience)).structuredContent;
  const refusal = await call("get_generation", UNKNOWN);
  const report = {
    tools: Object.fromEntries(tools.map((tool) => [tool.name, tool.inputSchema])),
    states: [made.state, done.state],
    video: done.assets.video,
    error_text: refusal.isError ? refusal.content[0].text : "",
    progress,
  };
  console.log(JSON.stringify(report));
}
