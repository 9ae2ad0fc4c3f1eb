// Swagger UI over our own document; the strict policy allows no inline script.
window.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-openapi]");
  window.SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
});
