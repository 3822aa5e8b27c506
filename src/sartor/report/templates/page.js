"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
  const language = () => (root.lang === "en" ? "en" : "zh");

  // Language: both texts are in the page, CSS shows one of them.
  function speak(wanted) {
    root.lang = wanted === "zh" ? "zh-Hans" : "en";
    for (const button of all("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === wanted));
    for (const node of all("[data-attribute]")) node.setAttribute(node.dataset.attribute, node.dataset[wanted]);
    for (const node of all("option[data-en]")) node.textContent = node.dataset[wanted];
    draw();
  }
  function fromHash() {
    const hash = location.hash.slice(1);
    return hash === "zh" || hash === "en" ? hash : null;
  }
  for (const button of all("[data-language]")) button.addEventListener("click", () => {
    history.replaceState(null, "", "#" + button.dataset.language);
    speak(button.dataset.language);
  });
  addEventListener("hashchange", () => { if (fromHash()) speak(fromHash()); });
  // The hash holds the language, so the contents scroll without changing it.
  for (const link of all("nav a")) link.addEventListener("click", (event) => {
    event.preventDefault();
    const target = document.querySelector(link.getAttribute("href"));
    target.scrollIntoView();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  });

  // Pictures: the library lies compressed in the page; colours are names of CSS variables until now.
  const figures = parsed("figures");
  let plotly = null;
  async function unpack() {
    const bytes = Uint8Array.from(atob(parsed("plotly")), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    plotly = window.Plotly;
  }
  function coloured(value, style) {
    if (typeof value === "string" && value.startsWith("--")) return style.getPropertyValue(value).trim();
    if (Array.isArray(value)) return value.map((each) => coloured(each, style));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
    return value;
  }
  const narrow = matchMedia("screen and (max-width: 760px)");
  const coarse = matchMedia("(pointer: coarse)");
  function draw(width) {
    if (!plotly) return;
    const style = getComputedStyle(root);
    for (const place of all("[data-figure]")) {
      const figure = coloured(figures[place.dataset.figure][language()], style);
      const layout = figure.layout;
      const touch = coarse.matches || narrow.matches;
      layout.dragmode = touch ? false : "zoom"; // a finger that scrolls the page must not zoom the picture
      if (touch && ["trade_off", "sizes"].includes(place.dataset.figure)) {
        for (const trace of figure.data) { trace.hoverinfo = "none"; delete trace.hovertemplate; } // stands below instead
      }
      if (touch && place.dataset.figure === "trade_off") {
        layout.margin.b += 50;
        layout.height += 50;
      }
      if (narrow.matches && layout.xaxis.tickvals?.length > 4) { // room for whole decades only
        const whole = layout.xaxis.tickvals.map((value) => Number.isInteger(Math.round(1e6 * Math.log10(value)) / 1e6));
        if (whole.filter(Boolean).length > 1) layout.xaxis.ticktext = layout.xaxis.ticktext.map((label, n) => (whole[n] ? label : ""));
      }
      if (width) { layout.width = width / (place.closest(".pair") ? 2.1 : 1); layout.autosize = false; }
      for (const waiting of all(".waiting", place)) waiting.remove();
      plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false, doubleClick: "reset" });
      if (place.dataset.figure === "trade_off" && !place.dataset.listens) {
        place.dataset.listens = "yes";
        place.on("plotly_click", (event) => detail(event.points[0].customdata.split("\n")));
      }
    }
  }
  function redraw() { draw(); }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.classList.add("printing"); draw(680); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); draw(); });

  // Details of a point that was tapped: its rows of the table, so that nothing is said twice.
  const panel = document.getElementById("detail");
  function detail(ids) {
    const wanted = new Set(ids);
    panel.replaceChildren();
    for (const row of rows.filter((each) => wanted.has(each.dataset.id))) {
      const article = document.createElement("article");
      [...row.cells].forEach((cell, number) => {
        const line = document.createElement(number ? "p" : "h4");
        line.append(...[...cell.childNodes].map((node) => node.cloneNode(true)));
        article.append(line);
      });
      panel.append(article);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "✕";
    close.setAttribute("aria-label", panel.dataset[language()]);
    close.addEventListener("click", () => { panel.hidden = true; });
    panel.append(close);
    panel.hidden = false;
  }

  // The table of candidates: filter and sort.
  const table = document.getElementById("all");
  const rows = table ? all("tbody tr", table) : [];
  if (table) {
    const filter = document.getElementById("filter");
    const status = document.getElementById("status");
    const sift = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const said = (row.textContent + " " + row.dataset.id).toLowerCase();
        row.hidden = !(words.every((word) => said.includes(word)) && (!status.value || row.dataset.status === status.value));
        shown += row.hidden ? 0 : 1;
      }
      document.getElementById("shown").textContent = shown;
    };
    filter.addEventListener("input", sift);
    status.addEventListener("change", sift);
    all("thead button", table).forEach((button, column) => button.addEventListener("click", () => {
      const heading = button.closest("th");
      const up = heading.getAttribute("aria-sort") !== "ascending";
      for (const each of all("thead th", table)) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const numeric = button.dataset.kind === "number";
      const ordered = [...rows].sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if ((a === "") !== (b === "")) return a === "" ? 1 : -1; // what was not measured goes last either way
        const difference = numeric ? Number(a) - Number(b) : a.localeCompare(b);
        return up ? difference : -difference;
      });
      table.tBodies[0].append(...ordered);
    }));
  }

  // Copy buttons.
  const copied = document.getElementById("copied");
  for (const button of all(".copy")) button.addEventListener("click", async () => {
    const code = button.closest(".snippet").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code); // where the clipboard is closed to pages, the selection can still be copied
      document.execCommand("copy");
    }
    const before = [...button.childNodes];
    button.replaceChildren(copied.content.cloneNode(true));
    setTimeout(() => button.replaceChildren(...before), 1500);
  });

  speak(fromHash() ?? (/^zh\b/i.test(navigator.language) ? "zh" : "en"));
  unpack().then(() => draw(), () => {
    for (const waiting of all(".waiting")) waiting.replaceChildren(document.getElementById("not-drawn").content.cloneNode(true));
  });
})();
