// A calendar by keyboard: arrows to the nearest day with charges, Home and End within the week, Page Up and
// Page Down to other months. Without it every day is still a link.
(() => {
  const calendar = document.querySelector("[data-calendar]");
  if (!calendar) return;
  const days = 7;

  const cells = () => [...calendar.querySelectorAll("tbody td")];
  const linkIn = (cell) => cell?.querySelector("a");

  const walk = (all, from, step) => {
    for (let at = from + step; at >= 0 && at < all.length; at += step) {
      if (linkIn(all[at])) return linkIn(all[at]);
    }
    return null;
  };

  const withinWeek = (all, at, isEnd) => {
    const week = all.slice(at - (at % days), at - (at % days) + days).map(linkIn).filter(Boolean);
    return isEnd ? week.at(-1) : week[0];
  };

  const targets = {
    ArrowLeft: (all, at) => walk(all, at, -1),
    ArrowRight: (all, at) => walk(all, at, 1),
    ArrowUp: (all, at) => walk(all, at, -days),
    ArrowDown: (all, at) => walk(all, at, days),
    Home: (all, at) => withinWeek(all, at, false),
    End: (all, at) => withinWeek(all, at, true),
    PageUp: () => "prev",
    PageDown: () => "next",
  };

  calendar.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const cell = event.target.closest("td");
    const find = targets[event.key];
    if (!cell || !find) return;
    const all = cells();
    const target = find(all, all.indexOf(cell));
    if (!target) return;
    event.preventDefault();
    if (typeof target === "string") document.querySelector(`.calendar-nav [rel="${target}"]`)?.click();
    else target.focus();
  });
})();
