// What the console's pages do beyond links and forms: keys, drawings that zoom, choices without a new page, sorted tables.
// Everything here is also to be had without it.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const button = (text, label, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = text;
    element.setAttribute("aria-label", label);
    element.title = label;
    element.addEventListener("click", act);
    return element;
  };
  const typing = (target) => target instanceof Element && target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea, dialog[open]");

  // --- which account is chosen ------------------------------------------------------------------------------------
  const choose = one("#choose-account");
  const kindOf = one("#choose-kind");
  const sortBy = one("#choose-sort");
  const drawings = all("#timeline svg, #burst svg, #graph svg");
  const tiesOf = (a) => all("#graph .tie").filter((tie) => tie.dataset.a === a || tie.dataset.b === a);

  function show(a) {
    if (!choose) return;
    if (choose.value !== a) choose.value = a;
    const near = new Set(a === "" ? [] : tiesOf(a).flatMap((tie) => [tie.dataset.a, tie.dataset.b]));
    for (const svg of drawings) {
      svg.classList.toggle("chosen", a !== "");
      for (const element of all("[data-a]", svg)) {
        const mine = a !== "" && (element.dataset.a === a || element.dataset.b === a);
        element.classList.toggle("on", mine);
        if (element.classList.contains("node")) element.classList.toggle("near", !mine && near.has(element.dataset.a));
      }
    }
    for (const row of all("#accounts tr[data-a], #keys tr[data-a]")) row.classList.toggle("on", a !== "" && row.dataset.a === a);
    const said = one("#chosen");
    if (said) {
      const name = a === "" ? "" : choose.selectedOptions[0].textContent;
      said.textContent = a === "" ? "" : `${name} is highlighted below, with its ties (${tiesOf(a).length}), posts and keys.`;
    }
    filter();
    remember();
  }

  function filter() {
    const box = one("#keys");
    if (!box) return;
    const [a, kind] = [choose.value, kindOf.value];
    const keys = all("details", box);
    for (const key of keys) {
      const members = key.dataset.members.split(" ");
      key.classList.toggle("off", (a !== "" && !members.includes(a)) || (kind !== "" && key.dataset.kind !== kind));
    }
    const number = (key, name) => Number(key.dataset[name]);
    const orders = {
      nats: (x, y) => number(y, "nats") - number(x, "nats"),
      accounts: (x, y) => number(y, "accounts") - number(x, "accounts"),
      time: (x, y) => number(x, "first") - number(y, "first"),
      kind: (x, y) => x.dataset.kind.localeCompare(y.dataset.kind),
    };
    keys.sort((x, y) => orders[sortBy.value](x, y) || number(x, "k") - number(y, "k"));
    box.append(...keys);
    one("#show-all").hidden = a === "" && kind === "" && sortBy.value === "nats";
  }

  // The address says what is shown, so that it can be sent to a colleague.
  function remember() {
    const address = new URL(location.href);
    for (const [name, select, none] of [["account", choose, ""], ["kind", kindOf, ""], ["sort", sortBy, "nats"]]) {
      if (select.value === none) address.searchParams.delete(name);
      else address.searchParams.set(name, select.value);
    }
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  if (choose) {
    choose.addEventListener("change", () => show(choose.value));
    for (const select of [kindOf, sortBy]) select.addEventListener("change", () => { filter(); remember(); });
    // What the server left out by the address cannot be brought back here.
    const asked = new URL(location.href).searchParams;
    const whole = !["account", "kind", "sort", "key"].some((name) => asked.get(name));
    const form = one("#show");
    if (whole) {
      one("button[type=submit]", form).hidden = true;
      one("#show-all").addEventListener("click", (event) => {
        event.preventDefault();
        kindOf.value = "";
        sortBy.value = "nats";
        show("");
      });
      for (const link of all("a.choose")) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          const a = link.closest("tr").dataset.a;
          show(choose.value === a ? "" : a);
        });
      }
    } else {
      for (const select of [choose, kindOf, sortBy]) select.addEventListener("change", () => form.requestSubmit(), { once: true });
    }
    for (const svg of drawings) {
      svg.addEventListener("click", (event) => {
        const mark = event.target.closest("[data-a]:not(.tie)");
        if (mark && !svg.dataset.dragged) show(choose.value === mark.dataset.a ? "" : mark.dataset.a);
      });
    }
    // Hovering over an account shows its ties, without choosing it.
    const graph = one("#graph svg");
    if (graph) {
      graph.addEventListener("pointerover", (event) => {
        const node = event.target.closest(".node");
        if (node && choose.value === "") for (const tie of tiesOf(node.dataset.a)) tie.classList.add("on");
      });
      graph.addEventListener("pointerout", (event) => {
        const node = event.target.closest(".node");
        if (node && choose.value === "") for (const tie of tiesOf(node.dataset.a)) tie.classList.remove("on");
      });
    }
  }
  // The server orders the accounts, because a long list is shown in part.
  const order = one("#choose-order");
  if (order) {
    order.addEventListener("change", () => {
      const address = new URL(location.href);
      address.searchParams.set("order", order.value);
      address.searchParams.delete("done");
      address.hash = "accounts";
      location.href = address;
    });
  }
  const step = (by) => {
    if (!choose) return;
    const n = choose.options.length;
    choose.selectedIndex = (choose.selectedIndex + by + n) % n;
    show(choose.value);
  };

  // --- drawings that zoom -----------------------------------------------------------------------------------------
  // `view` has zoom(factor, x, y), pan(dx, dy) and reset(), in the drawing's own units, and says whether it is zoomed.
  function stage(element, view, extra = []) {
    const svg = one("svg", element);
    const point = (event) => {
      const box = svg.getBoundingClientRect();
      const shown = svg.viewBox.baseVal;
      return [shown.x + (event.clientX - box.left) / box.width * shown.width, shown.y + (event.clientY - box.top) / box.height * shown.height];
    };
    const scale = () => svg.viewBox.baseVal.width / svg.getBoundingClientRect().width;
    const after = () => element.classList.toggle("zoomed", view.zoomed());
    const zoom = (factor, at) => { view.zoom(factor, at); after(); };
    const bar = document.createElement("div");
    bar.className = "stage-bar";
    bar.append(
      button("+", "Zoom in", () => zoom(1.5)),
      button("\u2212", "Zoom out", () => zoom(1 / 1.5)),
      button("\u25C2", "Left", () => { view.pan(-0.25, 0); after(); }),
      button("\u25B8", "Right", () => { view.pan(0.25, 0); after(); }),
      button("All", "Show all", () => { view.reset(); after(); }),
      ...extra,
    );
    element.before(bar);
    element.addEventListener("wheel", (event) => {
      // The page scrolls, unless the drawing is what the reader is at.
      if (!event.ctrlKey && document.activeElement !== element) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), point(event));
    }, { passive: false });
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = {
        "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": () => { view.reset(); after(); },
        ArrowLeft: () => view.pan(-0.1, 0), ArrowRight: () => view.pan(0.1, 0),
        ArrowUp: () => view.pan(0, -0.1), ArrowDown: () => view.pan(0, 0.1),
        n: () => step(1), p: () => step(-1), Escape: () => show(""),
      }[event.key];
      const arrow = event.key.startsWith("Arrow");
      if (!act || (arrow && !view.zoomed())) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    // Drag with one pointer, pinch with two.
    const down = new Map();
    let moved = 0;
    svg.addEventListener("pointerdown", (event) => {
      down.set(event.pointerId, [event.clientX, event.clientY]);
      moved = 0;
      delete svg.dataset.dragged;
    });
    const up = (event) => {
      down.delete(event.pointerId);
      element.classList.remove("dragging");
    };
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", up);
    window.addEventListener("pointermove", (event) => {
      if (!down.has(event.pointerId)) return;
      const before = down.get(event.pointerId);
      const now = [event.clientX, event.clientY];
      if (down.size === 2) {
        const [other] = Array.from(down).filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const gap = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
        const middle = { clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 };
        zoom(gap(now) / gap(before), point(middle));
      } else if (view.zoomed()) {
        const shown = svg.viewBox.baseVal;
        view.pan(-(now[0] - before[0]) * scale() / shown.width, -(now[1] - before[1]) * scale() / shown.height);
        element.classList.add("dragging");
      }
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (moved > 4) svg.dataset.dragged = "yes";
      down.set(event.pointerId, now);
    });
  }

  const graphStage = one("#graph-stage");
  if (graphStage && one("svg", graphStage)) {
    const svg = one("svg", graphStage);
    const whole = { ...["x", "y", "width", "height"].reduce((box, name) => ({ ...box, [name]: svg.viewBox.baseVal[name] }), {}) };
    let box = { ...whole };
    const set = () => {
      box.x = Math.min(Math.max(box.x, whole.x), whole.x + whole.width - box.width);
      box.y = Math.min(Math.max(box.y, whole.y), whole.y + whole.height - box.height);
      svg.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
    };
    stage(graphStage, {
      zoomed: () => box.width < whole.width - 0.5,
      reset: () => { box = { ...whole }; set(); },
      pan: (dx, dy) => { box.x += dx * box.width; box.y += dy * box.height; set(); },
      zoom: (factor, at = [box.x + box.width / 2, box.y + box.height / 2]) => {
        const width = Math.min(Math.max(box.width / factor, whole.width / 12), whole.width);
        const ratio = width / box.width;
        box = { x: at[0] - (at[0] - box.x) * ratio, y: at[1] - (at[1] - box.y) * ratio, width, height: box.height * ratio };
        set();
      },
    });
  }

  // The timeline is zoomed in time only, so that rows and dots keep their size.
  const timeStage = one("#timeline-stage");
  if (timeStage && one("svg", timeStage)) {
    const svg = one("svg", timeStage);
    const { from, to, left, right, top, bottom } = Object.fromEntries(Object.entries(svg.dataset).map(([k, v]) => [k, Number(v)]));
    const width = svg.viewBox.baseVal.width;
    const height = svg.viewBox.baseVal.height;
    const dots = all(".dot", svg).map((dot) => ({ dot, t: Number(dot.dataset.t), y: Number(dot.getAttribute("cy")), k: dot.dataset.k }));
    const threads = all(".thread", svg).map((path) => ({
      path, dots: dots.filter((d) => d.k === path.dataset.k).sort((a, b) => a.y - b.y || a.t - b.t),
    }));
    let now = [from, to];
    const span = document.createElement("span");
    span.className = "now";
    const clip = make("clipPath", { id: "timeline-clip" });
    clip.append(make("rect", { x: left - 4, y: 0, width: width - left - right + 8, height }));
    svg.prepend(clip);
    const moving = make("g", { "clip-path": "url(#timeline-clip)" });
    const axis = make("g", {});
    for (const old of all(".tick, .grid, .strip", svg)) old.remove();
    svg.append(axis, moving);
    const strips = make("g", {});
    moving.append(strips, ...threads.map((thread) => thread.path), ...dots.map((d) => d.dot));
    const place = (t) => left + (t - now[0]) / (now[1] - now[0]) * (width - left - right);
    const two = (n) => String(n).padStart(2, "0");
    const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const label = (t, stepMs) => {
      const at = new Date(t);
      const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
      if (stepMs < 60e3) return `${clock}:${two(at.getUTCSeconds())}`;
      const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
      return stepMs < 86400e3 ? `${day} ${clock}` : day;
    };
    const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];
    const words = (ms) => {
      const s = ms / 1000;
      if (s < 120) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
      if (s < 7200) return `${Math.round(s / 60)} min`;
      return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${Math.round(s / 86400)} days`;
    };
    function draw() {
      const [a, b] = now;
      const inside = dots.filter((d) => d.t >= a && d.t <= b);
      for (const d of dots) {
        const x = place(d.t);
        d.dot.setAttribute("cx", Math.min(Math.max(x, -50), width + 50).toFixed(1));
      }
      for (const { path, dots } of threads) {
        const points = dots.map((d) => `${Math.min(Math.max(place(d.t), -2000), width + 2000).toFixed(1)} ${d.y}`);
        path.setAttribute("d", `M${points.join("L")}`);
      }
      const bins = new Array(200).fill(0);
      for (const d of inside) bins[Math.min(199, Math.floor((d.t - a) / (b - a) * 200))] += 1;
      const most = Math.max(1, ...bins);
      const wide = (width - left - right) / 200;
      strips.replaceChildren(...bins.flatMap((n, i) => n === 0 ? [] : [make("rect", {
        class: "strip", x: left + i * wide, y: top - 6 - n / most * 26, width: Math.max(wide - 0.6, 0.6), height: n / most * 26,
      })]));
      const stepMs = (STEPS.find((s) => (b - a) / (s * 1000) <= 7) || 31536000) * 1000;
      const ticks = [];
      for (let t = Math.ceil(a / stepMs) * stepMs; t <= b; t += stepMs) {
        const x = place(t);
        ticks.push(make("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
        ticks.push(make("text", { class: "tick", x: Math.min(x, width - 44), y: bottom + 18 }, label(t, stepMs)));
      }
      axis.replaceChildren(...ticks);
      span.textContent = `${new Date(a).toISOString().slice(0, 19).replace("T", " ")} UTC, ${words(b - a)}, ${inside.length} posts`;
    }
    const set = (a, b) => {
      const length = Math.min(Math.max(b - a, 2000), to - from);
      a = Math.min(Math.max(a, from), to - length);
      now = [a, a + length];
      draw();
    };
    const view = {
      zoomed: () => now[1] - now[0] < to - from - 1,
      reset: () => set(from, to),
      pan: (dx) => { const by = dx * (now[1] - now[0]); set(now[0] + by, now[1] + by); },
      zoom: (factor, at) => {
        const share = at ? Math.min(Math.max((at[0] - left) / (width - left - right), 0), 1) : 0.5;
        const middle = now[0] + share * (now[1] - now[0]);
        const length = Math.min((now[1] - now[0]) / factor, to - from);
        set(middle - share * length, middle + (1 - share) * length);
      },
    };
    stage(timeStage, view, [span]);
    draw();
    for (const link of all("a.to-burst")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const key = link.closest("details");
        const times = dots.filter((d) => d.k === key.dataset.k).map((d) => d.t).sort((x, y) => x - y);
        if (times.length === 0) { location.href = link.href; return; }
        // The densest stretch with half of the key's acts.
        const half = Math.max(1, Math.floor(times.length / 2));
        let best = 0;
        for (let i = 0; i + half < times.length; i += 1) if (times[i + half] - times[i] < times[best + half] - times[best]) best = i;
        const [a, b] = times.length > half ? [times[best], times[Math.min(best + half, times.length - 1)]] : [times[0], times[0]];
        const pad = Math.max((b - a) * 0.6, 5000);
        set(a - pad, b + pad);
        timeStage.classList.toggle("zoomed", view.zoomed());
        one("#timeline").scrollIntoView();
        timeStage.focus({ preventScroll: true });
      });
    }
  }

  // --- tables that sort -------------------------------------------------------------------------------------------
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      if (head.textContent.trim() === "") return;
      const press = document.createElement("button");
      press.type = "button";
      press.textContent = head.textContent;
      head.replaceChildren(press);
      head.classList.add("sorts");
      press.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const text = (row) => row.cells[column].textContent.trim().replace(/\u2212/g, "-");
        const bare = (row) => text(row).replace(/^[<>] /, "").replace(/ %$/, "");
        const number = (row) => (/^[-+]?[\d,]+(\.\d+)?$/.test(bare(row)) ? Number(bare(row).replace(/,/g, "")) : NaN);
        // The text of a post is a row of its own after the post's row, and moves with it.
        const rows = all("tbody tr:not(.said)", table);
        const texts = new Map(rows.map((row) => [row, row.nextElementSibling?.matches(".said") ? row.nextElementSibling : null]));
        rows.sort((x, y) => {
          const [a, b] = [number(x), number(y)];
          const order = Number.isNaN(a) || Number.isNaN(b) ? text(x).localeCompare(text(y)) : a - b;
          return up ? order : -order;
        });
        one("tbody", table).append(...rows.flatMap((row) => (texts.get(row) ? [row, texts.get(row)] : [row])));
      });
    });
  }

  // --- selected cases ---------------------------------------------------------------------------------------------
  const selection = one("#selection");
  if (selection) {
    const boxes = () => all("input[name=case]", selection);
    const head = one("#queue thead th", selection);
    const every = document.createElement("input");
    every.type = "checkbox";
    every.setAttribute("aria-label", "Select all cases on this page");
    head.append(every);
    const said = () => {
      const n = boxes().filter((box) => box.checked).length;
      one("#selected").textContent = n === 0 ? "" : `${n} selected`;
      every.checked = n > 0 && n === boxes().length;
      every.indeterminate = n > 0 && !every.checked;
    };
    every.addEventListener("change", () => { for (const box of boxes()) box.checked = every.checked; said(); });
    selection.addEventListener("change", said);
    // A browser restores the boxes when the reader comes back.
    window.addEventListener("pageshow", said);
    said();
  }

  // --- keys -------------------------------------------------------------------------------------------------------
  let cursor = -1;
  function move(by) {
    const rows = all("#queue tbody tr").length ? all("#queue tbody tr") : all("#keys details:not(.off)");
    if (rows.length === 0) return;
    for (const row of rows) row.classList.remove("cursor");
    cursor = Math.min(Math.max(cursor + by, 0), rows.length - 1);
    const row = rows[cursor];
    row.classList.add("cursor");
    one("a, summary", row).focus();
    row.scrollIntoView({ block: "nearest" });
  }
  let help;
  async function keys() {
    if (!help) {
      const page = await fetch("/help").then((answer) => answer.text()).catch(() => "");
      const list = one("#keys-help", new DOMParser().parseFromString(page, "text/html"));
      if (!list) { location.href = "/help"; return; }
      help = document.createElement("dialog");
      help.setAttribute("aria-label", "Keys");
      list.removeAttribute("id");
      help.append(...list.childNodes, button("Close", "Close", () => help.close()));
      document.body.append(help);
    }
    if (!help.open) help.showModal();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const act = {
      j: () => move(1), k: () => move(-1), "?": keys,
      "/": () => one("#search") && one("#search").focus(),
      x: () => { const box = one("#queue tr.cursor input[name=case]"); if (box) box.click(); },
      u: () => one("#back") && one("#back").click(),
      d: () => { const decision = one("#decision"); if (decision) { decision.scrollIntoView(); decision.focus(); } },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // --- a demonstration's cases appear by themselves ------------------------------------------------------------------
  async function refresh() {
    const cases = one("#cases[data-refresh]");
    // Whoever is at work in the list keeps it as it is.
    if (!cases || document.hidden || cases.contains(document.activeElement)) return;
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const now = one("#cases", new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (now && now.textContent !== cases.textContent) cases.replaceWith(now);
  }
  // A service that has ended is no error of the page: the next look may find it again.
  if (one("#cases[data-refresh]")) setInterval(() => refresh().catch(() => undefined), 5000);

  // --- what is typed is not lost, and links into a closed part open it ----------------------------------------------
  const opened = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  window.addEventListener("hashchange", opened);
  opened();
  let typed = false;
  for (const form of all(".decision form")) {
    form.addEventListener("input", () => { typed = true; });
    form.addEventListener("submit", () => { typed = false; });
  }
  window.addEventListener("beforeunload", (event) => { if (typed) event.preventDefault(); });
})();
