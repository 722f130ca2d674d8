// Looks again from time to time and puts in what changed. Everything else works
// without this.
"use strict";
(() => {
  const fallback = 60;
  const query = new URLSearchParams(location.search);
  const seconds = query.has("refresh") ? Number(query.get("refresh")) : fallback;
  const ended = Boolean(query.get("until"));
  const controls = document.getElementById("controls");
  if (!controls || ended || !(seconds > 0)) return;

  let paused = false;
  let busy = false;
  const button = document.createElement("button");
  button.type = "button";
  const label = () => {
    button.textContent = paused ? "Resume updates" : "Pause updates";
  };
  label();
  button.addEventListener("click", () => {
    paused = !paused;
    label();
    if (!paused) look();
  });
  controls.append(button);

  // What somebody is in the middle of is left alone.
  const inUse = (live) => {
    const selection = getSelection();
    return live.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && live.contains(selection.anchorNode));
  };

  const look = async () => {
    const live = document.getElementById("live");
    if (paused || busy || document.hidden || !live || inUse(live)) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      const next = new DOMParser().parseFromString(text, "text/html");
      const found = next.getElementById("live");
      if (found) {
        const left = [...live.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
        live.replaceChildren(...found.childNodes);
        live.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = left[at] || 0; });
      } else if (next.getElementById("token")) {
        location.reload();
      }
    } catch {
      const shown = document.getElementById("shown");
      if (shown && !shown.dataset.stale) {
        shown.dataset.stale = "yes";
        shown.append(", not reached since");
      }
    } finally {
      busy = false;
    }
  };

  setInterval(look, seconds * 1000);
  document.addEventListener("visibilitychange", look);
})();
