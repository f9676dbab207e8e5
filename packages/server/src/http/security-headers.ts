/** The headers that every answer carries, whatever it says. */
export const SECURITY_HEADERS: { readonly [name: string]: string } = {
  // Answers are data: no browser shall render, frame or guess them.
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  // Browsers ignore it over plain http, so development is not harmed.
  "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
};
