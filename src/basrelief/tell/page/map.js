// The map in the report. Draws with WebGL where the browser has it, as an SVG picture where it
// has not, and as the same picture on paper. Asks the network for nothing.
(() => {
  "use strict";

  const find = (id) => document.getElementById(id);
  const view = find("map-view");
  const areas = JSON.parse(find("map-areas").textContent);
  const layers = JSON.parse(find("map-layers").textContent);
  const rows = areas.features.map((_, row) => row);
  const controls = view.querySelector("form");
  // Colours stand in the page's style; those over maps are the same on every screen.
  const colourNamed = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  // On a public map areas without figures are grey, for whatever reason.
  const blank = view.dataset.blank;
  const NONE = blank ? colourNamed("untold") : "rgba(0,0,0,0)";
  const APPLIES = { breaks: [0.5], colours: [colourNamed("outside"), colourNamed("inside")], labels: ["outside: unlike anything in training", "inside"] };

  const KINDS = {
    predicted: { name: "predicted", values: (layer) => layer.predicted, classes: "scores", blank: "not predicted" },
    observed: { name: "observed", values: (layer) => layer.observed, classes: "scores", blank: "no score" },
    residual: { name: "observed − predicted", values: (layer) => subtract(layer.observed, layer.predicted), classes: "residuals", blank: "not predicted", note: "Orange: higher than predicted. Purple: lower." },
    width: { name: "width of the 80% interval", values: (layer) => subtract(layer.high, layer.low), classes: "widths", blank: "no interval" },
    outside: { name: "where the model applies", values: (layer) => layer.inside, blank: "not measured" },
  };

  let chosen = null;
  let picture = null;
  let webgl = null;

  // ---- values

  function subtract(some, others) {
    return some.map((value, row) => (value === null || others[row] === null ? null : value - others[row]));
  }

  function classOf(value, breaks) {
    return value === null ? null : breaks.filter((edge) => edge <= value).length;
  }

  function write(value, places) {
    if (value === null) return "–";
    const text = Math.abs(value).toFixed(places);
    return value < 0 && Number(text) !== 0 ? `−${text}` : text;
  }

  function read() {
    const asked = new FormData(controls);
    const layer = layers[Number(asked.get("target"))];
    const kind = KINDS[asked.get("layer")];
    const classes = kind.classes ? layer[kind.classes] : APPLIES;
    const found = kind.values(layer).map((value) => classOf(value, classes.breaks));
    const overlay = asked.get("overlay") ? layer.overlay : null;
    const opacity = Number(asked.get("opacity") ?? 0) / 100;
    const outside = rows.filter((row) => kind !== KINDS.observed && layer.inside[row] === 0);
    // Pale says that ground adds nothing: only where something was predicted is that so.
    const covered = rows.filter((row) => layer.predicted[row] !== null);
    return { layer, kind, classes, found, overlay, opacity, outside, covered };
  }

  // ---- what is said

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function swatch(background, label, name = "") {
    const item = element("li");
    const mark = element("i", "", { class: name });
    if (background) mark.style.background = background;
    item.append(mark, element("span", label));
    return item;
  }

  function drawLegend(shown) {
    const list = element("ul");
    shown.classes.labels.forEach((label, place) => {
      const n = shown.found.filter((value) => value === place).length;
      list.append(swatch(shown.classes.colours[place], `${label} (${n})`));
    });
    const nBlank = shown.found.filter((value) => value === null).length;
    if (nBlank) list.append(swatch(NONE, `${blank || shown.kind.blank} (${nBlank})`));
    if (shown.outside.length && shown.kind.classes) {
      list.append(swatch("", `outside: unlike anything in training (${shown.outside.length})`, "stripes"));
    }
    const notes = ["Number of areas in brackets.", shown.kind.note];
    if (shown.kind.classes === "scores") notes.push("Predicted and observed have the same classes: fifths of what was observed.");
    const legend = find("map-legend");
    legend.replaceChildren(list, element("p", notes.filter(Boolean).join(" ")));
    if (shown.overlay) legend.append(...drawRamp(shown.overlay, shown.layer));
  }

  function drawRamp(overlay, layer) {
    const list = element("ul");
    const reach = Number(overlay.reach.toPrecision(2));
    const ramp = "linear-gradient(90deg, var(--lowers), var(--neither), var(--raises))";
    list.append(swatch(ramp, `what the ground adds to ${layer.name} by ${overlay.recipe}, looking at ${overlay.layer}: −${reach} (lowers) to ${reach} (raises)`, "ramp"));
    return [list, element("p", "Per share of the area: the mean over an area is what its ground adds to its prediction; told by the final model, which has seen every area.")];
  }

  function describeArea(row, layer) {
    const named = areas.features[row].properties;
    if (!named.area_id) return [element("p", `An area whose figures are ${blank}.`)];
    const number = (value) => write(value, layer.places);
    const interval = layer.low[row] === null ? "" : ` (80% interval ${number(layer.low[row])} to ${number(layer.high[row])})`;
    const residual = subtract([layer.observed[row]], [layer.predicted[row]])[0];
    const lines = [
      ["predicted", layer.predicted[row] === null ? blank || "not predicted" : number(layer.predicted[row]) + interval],
      ["observed", number(layer.observed[row])],
      ["observed − predicted", number(residual)],
    ];
    if (layer.inside[row] !== null) {
      lines.push(["the model", layer.inside[row] ? "applies here" : "▨ outside: unlike anything in training"]);
    }
    if (named.flown) lines.push(["flown", named.flown]);
    const title = element("p");
    const name = element("b", named.area_name ?? named.area_id);
    const rest = [named.area_name ? named.area_id : null, named.district].filter(Boolean).join(", ");
    title.append(name, rest ? ` (${rest}), ${layer.name}` : `, ${layer.name}`);
    const table = element("dl");
    for (const [term, text] of lines) table.append(element("dt", term), element("dd", text));
    return [title, table, ...(layer.ground ? tellGround(layer.ground, row, element) : []), ...(layer.eyes ? tellEyes(layer.eyes, row, element) : [])];
  }

  function drawArea() {
    const said = find("map-area");
    const { layer } = read();
    said.classList.toggle("is-chosen", chosen !== null);
    if (chosen === null) said.replaceChildren(element("p", "No area chosen.", { class: "small" }));
    else said.replaceChildren(...describeArea(chosen, layer));
  }

  // ---- places

  const rings = (feature) => (feature.geometry.type === "Polygon" ? [feature.geometry.coordinates] : feature.geometry.coordinates).flat();

  function boundsOf(features) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const feature of features) {
      for (const [east, north] of rings(feature).flat()) {
        box[0] = Math.min(box[0], east);
        box[1] = Math.min(box[1], north);
        box[2] = Math.max(box[2], east);
        box[3] = Math.max(box[3], north);
      }
    }
    return box;
  }

  // Web Mercator in degrees, so that pictures warped for the web lie right.
  const mercator = (north) => (Math.log(Math.tan(Math.PI / 4 + (north * Math.PI) / 360)) * 180) / Math.PI;

  // ---- the picture

  function startPicture() {
    const [west, south, east, north] = boundsOf(areas.features);
    const width = 1000;
    const perDegree = width / (east - west);
    const height = (mercator(north) - mercator(south)) * perDegree;
    const place = ([x, y]) => [(x - west) * perDegree, (mercator(north) - mercator(y)) * perDegree];
    const trace = (ring) => `M${ring.map((corner) => place(corner).map((at) => at.toFixed(1)).join(" ")).join("L")}Z`;
    const outlines = areas.features.map((feature) => rings(feature).map(trace).join(""));
    const metres = (111320 * Math.cos(((south + north) * Math.PI) / 360)) / perDegree;
    find("map-picture").innerHTML =
      `<svg viewBox="-5 -5 ${width + 10} ${height + 55}" role="img">` +
      '<defs><pattern id="map-stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      '<rect width="4" height="8" style="fill: var(--white)"/><rect x="1.2" width="1.6" height="8" style="fill: var(--black)"/></pattern></defs>' +
      `<g class="areas">${outlines.map((d, row) => `<path data-row="${row}" d="${d}"/>`).join("")}</g>` +
      `<g class="overlay"></g><g class="stripes" pointer-events="none"></g><g class="chosen"></g>${drawScale(metres, width, height)}</svg>`;
    const svg = find("map-picture").firstChild;
    const part = (name) => svg.querySelector(`.${name}`);
    const paths = [...part("areas").children];
    part("areas").addEventListener("click", (event) => choose(Number(event.target.dataset.row)));
    return {
      paint(shown) {
        paths.forEach((path, row) => path.setAttribute("fill", colourOf(shown, row)));
        part("stripes").innerHTML = shown.outside.map((row) => `<path fill="url(#map-stripes)" d="${outlines[row]}"/>`).join("");
        part("overlay").innerHTML = shown.overlay ? drawOverlay(shown, place, outlines) : "";
        svg.setAttribute("aria-label", `Map of ${areas.features.length} areas. ${shown.layer.says}`);
      },
      choose(row) {
        part("chosen").innerHTML = row === null ? "" : `<path d="${outlines[row]}"/>`;
      },
    };
  }

  function drawScale(metres, width, height) {
    const powers = [1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
    const length = powers.filter((each) => each <= (width * metres) / 4).pop() ?? 10;
    const text = length >= 1000 ? `${length / 1000} km` : `${length} m`;
    const end = length / metres;
    return (
      `<g fill="currentColor"><rect y="${height + 22}" width="${end}" height="5"/>` +
      `<text x="${end + 12}" y="${height + 32}">${text}</text><text x="${width}" y="${height + 32}" text-anchor="end">N ↑</text></g>`
    );
  }

  function drawOverlay(shown, place, outlines) {
    const [[left, top], , [right, bottom]] = shown.overlay.corners.map(place);
    return (
      `<path style="fill: var(--neither)" opacity="${shown.opacity}" pointer-events="none" d="${shown.covered.map((row) => outlines[row]).join("")}"/>` +
      `<image href="${shown.overlay.picture}" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" ` +
      `opacity="${shown.opacity}" preserveAspectRatio="none" pointer-events="none"/>`
    );
  }

  const colourOf = (shown, row) => (shown.found[row] === null ? NONE : shown.classes.colours[shown.found[row]]);

  // ---- the map

  function hasWebgl() {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  }

  function drawStripes() {
    const size = 16;
    const data = new Uint8Array(4 * size * size);
    for (let y = 0; y < size; y += 1) {
      for (let x = 0; x < size; x += 1) {
        // White stripes with a black core: seen on any colour.
        const across = (x + y) % size;
        const [shade, opacity] = across < 2 ? [0, 255] : across < 4 || across > 13 ? [255, 255] : [0, 0];
        data.set([shade, shade, shade, opacity], 4 * (y * size + x));
      }
    }
    return { width: size, height: size, data };
  }

  function styleOf() {
    const line = (id, colour, width, opacity) => ({
      id,
      type: "line",
      source: "areas",
      paint: { "line-color": colourNamed(colour), "line-width": width, "line-opacity": opacity },
    });
    const noArea = ["==", ["id"], -1];
    const fill = ["to-color", ["coalesce", ["feature-state", "colour"], NONE]];
    return {
      version: 8,
      sources: { areas: { type: "geojson", data: areas } },
      layers: [
        { id: "fill", type: "fill", source: "areas", paint: { "fill-color": fill } },
        // Pale under contributions, which fade to nothing: so the areas' colours give way, and a
        // dark page shows the colours of the legend.
        { id: "pale", type: "fill", source: "areas", paint: { "fill-color": colourNamed("neither"), "fill-opacity": 0 } },
        // A light line over a dark one shows between any two colours, on a light page and a dark.
        line("outlines-under", "outline", 1.6, 0.45),
        line("outlines", "white", 0.7, 0.75),
        { ...line("chosen-under", "white", 6, 1), filter: noArea },
        { ...line("chosen", "chosen", 3, 1), filter: noArea },
      ],
    };
  }

  function startWebgl() {
    const library = window.maplibregl;
    const map = new library.Map({
      container: "map-canvas",
      style: styleOf(),
      bounds: boundsOf(areas.features),
      fitBoundsOptions: { padding: 16 },
      attributionControl: false,
      cooperativeGestures: true,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      locale: { "Map.Title": "Map of the areas. Arrow keys move it, plus and minus zoom." },
    });
    map.keyboard.disableRotation();
    map.touchZoomRotate.disableRotation();
    map.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new library.ScaleControl({ maxWidth: 110 }), "bottom-left");
    map.on("click", (event) => {
      const hits = map.queryRenderedFeatures(event.point, { layers: ["fill"] });
      choose(hits.length ? hits[0].id : null);
    });
    map.on("mousemove", "fill", () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", "fill", () => (map.getCanvas().style.cursor = ""));
    map.once("load", () => {
      map.addImage("stripes", drawStripes(), { pixelRatio: 2 });
      const stripes = { id: "stripes", type: "fill", source: "areas", paint: { "fill-pattern": "stripes" } };
      map.addLayer({ ...stripes, filter: ["==", ["id"], -1] }, "outlines-under");
      webgl = makeWebglView(map);
      webgl.paint(read());
      webgl.choose(chosen);
      map.once("idle", () => view.setAttribute("data-idle", ""));
    });
  }

  function makeWebglView(map) {
    let under = null;
    return {
      paint(shown) {
        areas.features.forEach((_, row) => map.setFeatureState({ source: "areas", id: row }, { colour: colourOf(shown, row) }));
        map.setFilter("stripes", ["in", ["id"], ["literal", shown.outside]]);
        if (under !== shown.overlay) {
          if (under) map.removeLayer("overlay").removeSource("overlay");
          under = shown.overlay;
          if (under) {
            map.addSource("overlay", { type: "image", url: under.picture, coordinates: under.corners });
            map.addLayer({ id: "overlay", type: "raster", source: "overlay", paint: { "raster-fade-duration": 0 } }, "stripes");
          }
        }
        if (under) map.setPaintProperty("overlay", "raster-opacity", shown.opacity);
        map.setFilter("pale", ["in", ["id"], ["literal", shown.covered]]);
        map.setPaintProperty("pale", "fill-opacity", under ? shown.opacity : 0);
      },
      choose(row) {
        for (const id of ["chosen-under", "chosen"]) map.setFilter(id, ["==", ["id"], row ?? -1]);
        if (row === null) return;
        const [west, south, east, north] = boundsOf([areas.features[row]]);
        const middle = [(west + east) / 2, (south + north) / 2];
        if (!map.getBounds().contains(middle)) map.panTo(middle);
      },
    };
  }

  // ---- what is asked

  function choose(row) {
    chosen = row;
    for (const drawn of [picture, webgl]) drawn?.choose(row);
    drawArea();
  }

  function update() {
    const shown = read();
    const says = find("map-says");
    says.className = `small ${shown.layer.sense}`;
    says.replaceChildren(element("strong", `${shown.layer.name}, ${shown.kind.name}: `), element("b", `${shown.layer.sign} `), shown.layer.says);
    const overlayControls = find("map-overlay");
    if (overlayControls) overlayControls.hidden = !shown.layer.overlay;
    for (const drawn of [picture, webgl]) drawn?.paint(shown);
    drawLegend(shown);
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

  function needPicture() {
    if (picture) return;
    picture = startPicture();
    picture.paint(read());
    picture.choose(chosen);
  }

  function fallBack() {
    view.dataset.drawn = "picture";
    needPicture();
    view.setAttribute("data-idle", "");
  }

  function start() {
    const told = areas.features.filter(({ properties }) => properties.area_id);
    const names = told.map(({ properties }) => element("option", "", { value: properties.area_name ? `${properties.area_name} ${properties.area_id}` : properties.area_id }));
    find("map-names").append(...names);
    if (!hasWebgl()) return fallBack();
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
  window.addEventListener("beforeprint", needPicture);
  // Not before it is near: the page opens without waiting for the map.
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    start();
  }, { rootMargin: "600px" });
  near.observe(view);
})();
