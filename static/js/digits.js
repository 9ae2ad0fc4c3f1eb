// input[data-digits]: shows below the box, in groups of four, the digits that will be sent. The box stays as typed.
(() => {
  const group = (text) => (text.replace(/\D/g, "").match(/.{1,4}/g) ?? []).join(" ");

  const enhance = (input) => {
    if (input.dataset.digitsReady) return;
    input.dataset.digitsReady = "yes";
    const shown = document.createElement("p");
    shown.className = "digits-shown";
    shown.setAttribute("aria-hidden", "true");
    const update = () => {
      shown.textContent = group(input.value);
      shown.hidden = shown.textContent === "";
    };
    input.after(shown);
    input.addEventListener("input", update);
    update();
  };

  const enhanceAll = (root) => root.querySelectorAll("input[data-digits]").forEach(enhance);
  enhanceAll(document);
  document.addEventListener("htmx:load", (event) => enhanceAll(event.detail.elt));
})();
