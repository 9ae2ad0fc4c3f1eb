// form[data-once]: a second press of its button does nothing. The server is safe against it anyway.
(() => {
  const buttonsOf = (form) => [...form.elements].filter((element) => element.matches("button:not([type=button])"));

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    // After this event: a disabled button would not be sent with the form.
    setTimeout(() => {
      buttonsOf(form).forEach((button) => (button.disabled = true));
      event.submitter?.setAttribute("aria-busy", "true");
    });
  });

  const release = () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      buttonsOf(form).forEach((button) => {
        button.disabled = false;
        button.removeAttribute("aria-busy");
      });
    });
  };
  window.addEventListener("pageshow", release);
  document.addEventListener("htmx:afterRequest", release);
})();
