/**
 * A view of `document` whose elements obey a strict Content Security Policy.
 *
 * xterm.js makes <style> elements, which need the page's nonce, and its DOM renderer writes style attributes, which no
 * nonce can allow; the same declarations set through the CSSOM are allowed.
 */

function permitStyleAttribute(element) {
  const setAttribute = element.setAttribute;
  element.setAttribute = (name, value) => {
    if (name === "style") element.style.cssText = value;
    else setAttribute.call(element, name, value);
  };
  return element;
}

function createElement(nonce, name, options) {
  const element = Document.prototype.createElement.call(document, name, options);
  if (name === "style") element.nonce = nonce;
  return name === "span" ? permitStyleAttribute(element) : element;
}

/** The nonce that the server gave this page. */
export function pageNonce() {
  return document.querySelector("script[nonce]")?.nonce ?? "";
}

/** @param {string} nonce @returns {Document} */
export function cspDocument(nonce) {
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") return (name, options) => createElement(nonce, name, options);
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

/**
 * Run `act` while `document` itself gives every <style> the nonce: for code that takes no document of its own.
 * @template T @param {string} nonce @param {() => T} act @returns {T}
 */
export function withStyleNonce(nonce, act) {
  document.createElement = (name, options) => createElement(nonce, name, options);
  try {
    return act();
  } finally {
    delete document.createElement;
  }
}
