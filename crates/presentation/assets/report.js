// What the report does beyond links: everything is open on paper, a link opens what it leads to, and the network zooms.
// The page holds without it.
"use strict";
(() => {
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) {
      part.open = true;
      opened.push(part);
    }
  });
  addEventListener("afterprint", () => {
    for (const part of opened.splice(0)) part.open = false;
  });
  const open = () => {
    const part = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    if (part instanceof HTMLDetailsElement) part.open = true;
  };
  addEventListener("hashchange", open);
  open();

  const stage = document.querySelector("#network-stage");
  const svg = stage ? stage.querySelector("svg") : null;
  if (!svg) return;
  const whole = svg.viewBox.baseVal;
  const full = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };
  let view = { ...full };
  const show = () => svg.setAttribute("viewBox", [view.x, view.y, view.width, view.height].map((n) => Number(n.toFixed(1))).join(" "));
  // Never farther than the whole, never nearer than forty times, and never away from it.
  const settle = () => {
    const scale = Math.min(Math.max(view.width / full.width, 1 / 40), 1);
    const middle = { x: view.x + view.width / 2, y: view.y + view.height / 2 };
    view.width = full.width * scale;
    view.height = full.height * scale;
    view.x = Math.min(Math.max(middle.x - view.width / 2, full.x), full.x + full.width - view.width);
    view.y = Math.min(Math.max(middle.y - view.height / 2, full.y), full.y + full.height - view.height);
    show();
  };
  const zoom = (factor, at) => {
    const x = at ? at.x : view.x + view.width / 2;
    const y = at ? at.y : view.y + view.height / 2;
    view = { x: x - (x - view.x) * factor, y: y - (y - view.y) * factor, width: view.width * factor, height: view.height * factor };
    settle();
  };
  const move = (right, down) => {
    view.x += right * view.width;
    view.y += down * view.height;
    settle();
  };
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    return {
      x: view.x + ((event.clientX - box.left) / box.width) * view.width,
      y: view.y + ((event.clientY - box.top) / box.height) * view.height,
    };
  };
  const reset = () => {
    view = { ...full };
    show();
  };
  const tools = document.createElement("p");
  tools.className = "zoom";
  for (const [text, label, act] of [
    ["+", "Zoom in", () => zoom(1 / 1.5)],
    ["\u2212", "Zoom out", () => zoom(1.5)],
    ["all", "Show the whole network", reset],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.title = label;
    button.addEventListener("click", act);
    tools.append(button);
  }
  stage.before(tools);
  stage.addEventListener("keydown", (event) => {
    const acts = {
      "+": () => zoom(1 / 1.5),
      "-": () => zoom(1.5),
      0: reset,
      ArrowLeft: () => move(-0.2, 0),
      ArrowRight: () => move(0.2, 0),
      ArrowUp: () => move(0, -0.2),
      ArrowDown: () => move(0, 0.2),
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  svg.addEventListener(
    "wheel",
    (event) => {
      // The page scrolls on unless the wheel is meant for the network.
      if (!event.ctrlKey && document.activeElement !== stage) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, point(event));
    },
    { passive: false },
  );
  let grip = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) grip = { ...point(event), moved: false };
  });
  addEventListener("pointermove", (event) => {
    if (!grip) return;
    const now = point(event);
    const far = Math.hypot(now.x - grip.x, now.y - grip.y) / view.width;
    if (!grip.moved && 0.005 > far) return;
    grip.moved = true;
    view.x += grip.x - now.x;
    view.y += grip.y - now.y;
    settle();
  });
  addEventListener("pointerup", () => {
    // What was dragged was not chosen.
    if (grip && grip.moved) svg.addEventListener("click", (event) => event.preventDefault(), { capture: true, once: true });
    grip = null;
  });
})();
