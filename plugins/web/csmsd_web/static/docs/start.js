"use strict";
window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
  queryConfigEnabled: false,
});
