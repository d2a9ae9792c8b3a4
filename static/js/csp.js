/**
 * Makes xterm.js obey a strict Content Security Policy.
 *
 * It creates <style> elements, which need the page's nonce, and its DOM renderer writes style attributes on spans, which
 * no nonce can allow; the same declarations set through the CSSOM are allowed. Its `documentOverride` option reaches
 * neither the viewport nor the renderer's rows, so `document.createElement` itself is wrapped.
 */

function allowStyleAttribute(element) {
  element.setAttribute = (name, value) => {
    if (name === "style") element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
}

/** The nonce that the server gave this page. */
function pageNonce() {
  return document.querySelector("script[nonce]")?.nonce ?? "";
}

/** From now on styles made by scripts of this page pass its policy. Safe to call again. */
export function allowScriptedStyles() {
  if (Object.hasOwn(document, "createElement")) return;
  const nonce = pageNonce();
  document.createElement = (name, options) => {
    const element = Document.prototype.createElement.call(document, name, options);
    if (name === "style") element.nonce = nonce;
    if (name === "span") allowStyleAttribute(element);
    return element;
  };
}
