// The MCP SDK for TypeScript 2.x, which is told the protocol to speak.
import { order, require, travel } from "./journey.mjs";

const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");

const { endpoint, headers, rest } = order();
const [era] = rest;
const client = new Client(
  { name: "typescript-sdk-2", version: "1" },
  { versionNegotiation: { mode: era === "legacy" ? era : { pin: era } } },
);
await client.connect(new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } }));
await travel(client, (params, options) => client.callTool(params, options));
await client.close();
