// Keys: "/" to the search box, "?" for help, "j" and "k" through the rows of a list, Enter opens the row.
(() => {
  const rows = () => [...document.querySelectorAll("main table.list tbody tr:not(.more)")];
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable], dialog[open]") !== null;

  const search = () => document.querySelector("main [data-search]") ?? document.querySelector("[data-search]");

  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.findIndex((row) => row.classList.contains("is-current"));
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    all.forEach((row) => row.classList.toggle("is-current", row === next));
    const link = next.querySelector("th a, a");
    if (link) link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  const keys = {
    "/": () => {
      search()?.focus();
      search()?.select();
    },
    "?": () => document.getElementById("help")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.querySelectorAll("[data-open]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => document.getElementById(button.dataset.open)?.showModal());
  });
})();
