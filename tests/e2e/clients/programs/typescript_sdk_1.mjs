// The MCP SDK for TypeScript 1.x.
import { order, require, travel } from "./journey.mjs";

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require(
  "@modelcontextprotocol/sdk/client/streamableHttp.js",
);

const { endpoint, headers } = order();
const client = new Client({ name: "typescript-sdk-1", version: "1" });
await client.connect(new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } }));
await travel(client, (params, options) => client.callTool(params, undefined, options));
await client.close();
