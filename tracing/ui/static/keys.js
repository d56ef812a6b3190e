"use strict";
// Moves along the rows of a page; everything else works without a script.
const typing = (target) => target.closest("input, select, textarea") !== null;

const move = (step) => {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const here = rows.indexOf(document.activeElement);
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  if (next) {
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") document.activeElement.blur();
  if (typing(event.target)) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "/") {
    (document.querySelector("[data-first]") ?? document.querySelector("[data-goto] input")).focus();
    event.preventDefault();
  }
});

document.querySelector("[data-goto]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = event.target.elements.id.value.trim();
  if (id) location.assign("/traces/" + encodeURIComponent(id));
});

const openTarget = () => {
  const row = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row instanceof HTMLDetailsElement) row.open = true;
};
window.addEventListener("hashchange", openTarget);
openTarget();

// The clipboard is there on this machine and over TLS; elsewhere a click selects the command.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    });
  }
}
