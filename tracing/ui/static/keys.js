"use strict";
// Moves along the rows of a page, copies; everything else works without a script.
const typing = (target) => target.closest("input, select, textarea") !== null;

const move = (step, wanted = "[data-row]") => {
  const rows = [...document.querySelectorAll(wanted)].filter((row) => row.offsetParent !== null);
  const here = rows.indexOf(document.activeElement);
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  if (next) {
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
};

// To the next of some rows, from whichever row is current.
const moveOn = (step, wanted) => {
  const rows = [...document.querySelectorAll(wanted)];
  const here = document.activeElement;
  const side = step > 0 ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
  const beyond = here === document.body ? rows : rows.filter((row) => here.compareDocumentPosition(row) & side);
  const next = step > 0 ? beyond[0] : beyond.at(-1);
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") document.activeElement.blur();
  if (typing(event.target)) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "e") moveOn(1, ".error [data-row], .error[data-row]");
  else if (event.key === "E") moveOn(-1, ".error [data-row], .error[data-row]");
  else if (event.key === "/") {
    (document.querySelector("[data-first]") ?? document.querySelector("[data-goto] input")).focus();
    event.preventDefault();
  }
});

document.querySelector("[data-goto]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = event.target.elements.id.value.trim().toLowerCase();
  if (id) location.assign("/traces/" + encodeURIComponent(id));
});

// Two ticked traces can be compared, no more and no less.
const two = document.querySelector("[data-two]");
if (two) {
  const ticks = [...document.querySelectorAll("input[name=t]")];
  const count = () => {
    const ticked = ticks.filter((tick) => tick.checked).length;
    two.disabled = ticked !== 2;
    for (const tick of ticks) tick.disabled = ticked >= 2 && !tick.checked;
  };
  for (const tick of ticks) tick.addEventListener("change", count);
  count();
}

const openTarget = () => {
  const row = location.hash && document.getElementById(location.hash.slice(1));
  if (!row) return;
  if (row instanceof HTMLDetailsElement) row.open = true;
  row.querySelector("[data-row]")?.focus({ preventScroll: true });
};
window.addEventListener("hashchange", openTarget);
openTarget();

// The clipboard is there on this machine and over TLS; elsewhere a click selects the text.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    });
  }
}
