// One map or several side by side, that show the same areas and choose the same one: by mouse, by
// name, with WebGL or without, and on paper.
const startMaps = (page) => {
  "use strict";

  const { read, tell, describe, title } = page;

  const { find, view, areas, element, startPicture } = mapDrawing;
  const controls = view.querySelector("form");
  const panes = [...view.querySelectorAll(".map-pane")].map((host) => ({
    layer: host.dataset.layer,
    canvas: host.querySelector(".map-canvas"),
    drawing: host.querySelector(".map-picture"),
    drawn: {},
    map: null,
  }));
  let chosen = null;

  function drawArea() {
    const said = find("map-area");
    said.classList.toggle("is-chosen", chosen !== null);
    if (chosen === null) said.replaceChildren(element("p", "No area chosen.", { class: "small" }));
    else said.replaceChildren(...describe(chosen));
  }

  function choose(row) {
    chosen = row;
    for (const pane of panes) for (const drawn of Object.values(pane.drawn)) drawn.choose(row);
    drawArea();
  }

  function update() {
    const shown = panes.map((pane) => read(pane.layer));
    tell(shown);
    panes.forEach((pane, k) => Object.values(pane.drawn).forEach((drawn) => drawn.paint(shown[k])));
    if (chosen !== null) drawArea();
  }

  function search(event) {
    event.preventDefault();
    const field = event.target.elements.area;
    const asked = field.value.trim().toLowerCase();
    if (!asked) return choose(null);
    const names = areas.features.map(({ properties }) => `${properties.area_name ?? ""} ${properties.area_id ?? ""}`.trim().toLowerCase());
    const exact = areas.features.findIndex(({ properties }, row) => [names[row], properties.area_id?.toLowerCase(), properties.area_name?.toLowerCase()].includes(asked));
    const row = exact >= 0 ? exact : names.findIndex((name) => name.includes(asked));
    if (row >= 0) return choose(row);
    choose(null);
    find("map-area").replaceChildren(element("p", `No area here is called “${field.value.trim()}”.`));
  }

  function addDrawn(pane, name, drawn) {
    pane.drawn[name] = drawn;
    drawn.paint(read(pane.layer));
    drawn.choose(chosen);
  }

  function needPictures() {
    for (const pane of panes) {
      if (!pane.drawn.picture) addDrawn(pane, "picture", startPicture(pane.drawing, choose));
    }
  }

  function fallBack() {
    view.dataset.drawn = "picture";
    needPictures();
    view.setAttribute("data-idle", "");
  }

  // Maps side by side move together.
  function follow(pane) {
    pane.map.on("move", (event) => {
      if (event.isFollowing) return;
      const at = { center: pane.map.getCenter(), zoom: pane.map.getZoom() };
      for (const other of panes) if (other !== pane && other.map) other.map.jumpTo(at, { isFollowing: true });
    });
  }

  function startWebgl() {
    let nWaiting = panes.length;
    for (const pane of panes) {
      const told = panes.length > 1 ? `${title} ${pane.canvas.parentElement.querySelector("h3").textContent}.` : title;
      const ready = (drawn) => {
        addDrawn(pane, "webgl", drawn);
        pane.map.once("idle", () => {
          nWaiting -= 1;
          if (!nWaiting) view.setAttribute("data-idle", "");
        });
      };
      pane.map = mapWebgl.start(pane.canvas, { title: `${told} Arrow keys move it, plus and minus zoom.`, choose, ready });
      follow(pane);
    }
  }

  function start() {
    const told = areas.features.filter(({ properties }) => properties.area_id);
    const names = told.map(({ properties }) => element("option", "", { value: properties.area_name ? `${properties.area_name} ${properties.area_id}` : properties.area_id }));
    find("map-names").append(...names);
    if (!mapWebgl.hasWebgl()) return fallBack();
    view.dataset.drawn = "webgl";
    try {
      startWebgl();
    } catch {
      fallBack();
    }
  }

  view.hidden = false;
  update();
  controls.addEventListener("input", update);
  controls.addEventListener("submit", (event) => event.preventDefault());
  find("map-find").addEventListener("submit", search);
  find("map-find").elements.area.addEventListener("change", (event) => event.target.value && event.target.form.requestSubmit());
  window.addEventListener("beforeprint", needPictures);
  // Not before it is near: the page opens without waiting for the map.
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    start();
  }, { rootMargin: "600px" });
  near.observe(view);
};
