// [data-copy]: copies its text, and says so for a moment. Shown only where the browser can copy.
(() => {
  if (!navigator.clipboard) return;

  const show = (root) => root.querySelectorAll("[data-copy]").forEach((button) => (button.hidden = false));

  const copy = async (button) => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const icon = button.querySelector("i");
    const title = button.title;
    button.classList.add("is-done");
    button.title = button.dataset.copied;
    icon.className = "bi bi-check-lg";
    document.getElementById("said").textContent = button.dataset.copied;
    setTimeout(() => {
      button.classList.remove("is-done");
      button.title = title;
      icon.className = "bi bi-copy";
      document.getElementById("said").textContent = "";
    }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  show(document);
  document.addEventListener("htmx:load", (event) => show(event.detail.elt));
})();
