// A billing key is a credential and never enters an address: what looks like one is searched by POST.
(() => {
  const isSecret = (text) => /^\s*billing-key/i.test(text);
  const typed = (form) => form.elements.namedItem("q")?.value ?? "";

  document.addEventListener("submit", (event) => {
    const secret = document.querySelector("form[data-secret-search]");
    if (!secret || event.target.getAttribute("method") === "post" || !isSecret(typed(event.target))) return;
    event.preventDefault();
    secret.elements.namedItem("q").value = typed(event.target);
    secret.submit();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt.closest("form[role=search]");
    if (form && isSecret(typed(form))) event.preventDefault();
  });
})();
