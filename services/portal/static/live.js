// Keeps a board or a submission on the page up to date. The event stream is only the doorbell: what to show is rendered by
// the server, by the same template as the page, so there is one way in which a name gets onto a page.
"use strict";

(() => {
  const place = document.querySelector("[data-live-fragment]");
  if (!place) return;
  const status = document.querySelector(".live");
  // Many look at one board: spread what one change causes, and join what changes meanwhile.
  const spreadMs = 300;
  // Where the stream is refused or breaks for good.
  const pollMs = 5000;
  let shown = null;
  let waiting = false;

  const text = () => place.textContent.replace(/\s+/g, " ").trim();

  const refresh = async () => {
    waiting = false;
    let response;
    try {
      response = await fetch(place.dataset.liveFragment, { credentials: "same-origin" });
    } catch {
      response = null;
    }
    if (!response || !response.ok) {
      setTimeout(ring, pollMs); // this may have been the last event: the change must not be lost
      return;
    }
    const html = await response.text();
    if (html === shown) return;
    shown = html;
    const before = text();
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const open = [...place.querySelectorAll("details")].map((details) => details.open);
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = [...place.querySelectorAll(".scroll")].map((region) => region.scrollLeft);
    place.replaceChildren(...fresh.body.childNodes);
    place.querySelectorAll("details").forEach((details, i) => { details.open = open[i] || false; });
    place.querySelectorAll(".scroll").forEach((region, i) => { region.scrollLeft = scrolled[i] || 0; });
    if (focused) {
      const link = [...place.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused);
      if (link) link.focus({ preventScroll: true });
    }
    // A screen reader hears only this line, and only of a change: the first answer is mostly what the page showed already.
    if (text() === before) return;
    const summary = place.querySelector("[data-live-summary]");
    status.textContent = summary ? `Now: ${summary.textContent}.` : `Updated at ${new Date().toLocaleTimeString()}.`;
  };

  const ring = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(refresh, Math.random() * spreadMs);
  };

  // What a submission prints while it runs rings no bell, nor do places in the queue; and a board that only this visitor's cookie
  // opens has no stream for a browser: whoever may read it looks now and then.
  const everyMs = Number(place.dataset.liveEveryMs);
  const looking = everyMs ? setInterval(ring, everyMs) : null;

  if (!place.dataset.liveStream || !window.EventSource) return;
  const stream = new EventSource(place.dataset.liveStream);
  const hear = (event) => {
    ring();
    // A submission's stream ends after its final state; without this the browser would open it again and again.
    const state = JSON.parse(event.data).state;
    if (["scored", "failed", "withdrawn"].includes(state)) {
      stream.close();
      clearInterval(looking);
    }
  };
  for (const name of place.dataset.liveEvents.split(" ")) stream.addEventListener(name, hear);
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setInterval(ring, pollMs);
  });
})();
