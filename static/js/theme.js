// [data-theme-switch]: changes the theme at once; the server keeps the choice for the next page.
(() => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-theme-switch]") || !event.submitter) return;
    event.preventDefault();
    const theme = event.submitter.value;
    const body = new FormData(form, event.submitter);
    document.documentElement.dataset.bsTheme = theme;
    document.querySelectorAll("[data-theme-switch] button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.value === theme));
    });
    fetch(form.action, { method: "POST", body, redirect: "manual" });
  });
})();
