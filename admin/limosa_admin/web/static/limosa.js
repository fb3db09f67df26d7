// Keeps a page current: replaces the parts that changed, appends to the log. Without it pages show the state at loading.
"use strict";

const live = document.getElementById("live");

function show(state) {
  if (live) {
    live.className = state;
    live.title = { on: "Live", off: "Connecting again…", "": "" }[state];
  }
}

function listen(address, handlers) {
  const source = new EventSource(address);
  source.onopen = () => show("on");
  source.onerror = () => show("off");
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  const close = () => {
    source.close();
    show("");
  };
  source.addEventListener("end", close);
  source.addEventListener("refused", close);
}

const page = document.querySelector("[data-events]");
if (page) {
  listen(page.dataset.events, {
    // The server escapes every text in these parts, as in the page itself.
    parts: (parts) => {
      for (const [id, html] of Object.entries(parts)) {
        const element = document.getElementById(id);
        if (element) element.innerHTML = html;
      }
    },
  });
}

const log = document.getElementById("log");
if (log) {
  let fresh = true;
  const toEnd = () => {
    log.scrollTop = log.scrollHeight;
  };
  toEnd();
  const source = new EventSource(log.dataset.log);
  source.onopen = () => {
    fresh = true;
  };
  source.addEventListener("lines", (event) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (fresh) log.textContent = "";
    fresh = false;
    log.insertAdjacentHTML("beforeend", JSON.parse(event.data));
    while (log.childElementCount > 4000) log.firstElementChild.remove();
    if (atEnd) toEnd();
  });
  const close = () => source.close();
  source.addEventListener("end", close);
  source.addEventListener("refused", close);
}
