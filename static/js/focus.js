// The first field that is wrong gets the focus, on a fresh page and after a fragment has come in.
(() => {
  const focusFirst = (root) => {
    const field = root.querySelector("[aria-invalid='true']");
    if (field) field.focus();
  };
  focusFirst(document);
  document.addEventListener("htmx:afterSwap", (event) => focusFirst(event.detail.target));
})();
