// What ChatGPT puts into a page before the page's own scripts run: `window.openai`.
// Its calls go to the host as {openai: {id, call, values}}; answers come back as {openai: {id, ...}}.
(() => {
  const waiting = new Map();
  let calls = 0;
  const ask =
    (call) =>
    (...values) =>
      new Promise((resolve, reject) => {
        const id = ++calls;
        waiting.set(id, { resolve, reject });
        parent.postMessage({ openai: { id, call, values } }, "*");
      });
  const methods = [
    "callTool",
    "sendFollowUpMessage",
    "openExternal",
    "requestDisplayMode",
    "notifyIntrinsicHeight",
    "setWidgetState",
  ];
  window.openai = {
    ...GLOBALS,
    ...Object.fromEntries(methods.map((name) => [name, ask(name)])),
  };
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !data?.openai) return;
    const { id, result, error, globals } = data.openai;
    if (globals) {
      Object.assign(window.openai, globals);
      window.dispatchEvent(new CustomEvent("openai:set_globals", { detail: { globals } }));
    } else if (error) waiting.get(id)?.reject(new Error(error));
    else waiting.get(id)?.resolve(result);
  });
})();
