// Gives every block of code a button that copies it. Without this script the page lacks nothing else.
"use strict";

const SHOWN_MILLISECONDS = 2000;
const announcement = document.getElementById("copied");

/** Copy what is there, as far as the browser lets us: the clipboard wants https or this machine. */
async function copy(code) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  }
  getSelection().selectAllChildren(code);
  return document.execCommand("copy");
}

function addButton(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${block.dataset.copy}`);
  button.addEventListener("click", async () => {
    const copied = await copy(block.querySelector("code")).catch(() => false);
    button.textContent = copied ? "Copied" : "Not copied";
    announcement.textContent = button.textContent;
    setTimeout(() => {
      button.textContent = "Copy";
      announcement.textContent = "";
    }, SHOWN_MILLISECONDS);
  });
  block.append(button);
}

document.querySelectorAll("[data-copy]").forEach(addButton);
