// Addresses carry only what was filled in: a GET form leaves its blank fields out, with htmx and without.
(() => {
  document.addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) {
      if (value === "") event.formData.delete(name);
    }
  }, true);

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    const filled = event.detail.formData;
    for (const [name, value] of [...filled]) {
      if (value === "") filled.delete(name);
    }
  });
})();
