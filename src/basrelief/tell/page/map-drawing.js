// What both pages' maps have in common: the areas, values and classes, and a picture of them as SVG.
const mapDrawing = (() => {
  "use strict";

  const find = (id) => document.getElementById(id);
  const readJson = (id) => JSON.parse(find(id).textContent);
  const areas = readJson("map-areas");
  const layers = readJson("map-layers");
  const districts = readJson("map-districts");
  const relief = find("map-relief") ? readJson("map-relief") : null;
  const rows = areas.features.map((_, row) => row);
  // Colours stand in the page's style; those over maps are the same on every screen.
  const colourNamed = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const NONE = "rgba(0,0,0,0)";
  // Over relief, areas are glazed, so that the ground shows through.
  const GLAZE = relief ? 0.8 : 1;

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

  const colourOf = (shown, row) => (shown.found[row] === null ? NONE : shown.classes.colours[shown.found[row]]);

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

  const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

  function startPicture(host, choose) {
    const [west, south, east, north] = boundsOf(areas.features);
    const width = 1000;
    const perDegree = width / (east - west);
    const height = (mercator(north) - mercator(south)) * perDegree;
    const place = ([x, y]) => [(x - west) * perDegree, (mercator(north) - mercator(y)) * perDegree];
    const trace = (ring) => `M${ring.map((corner) => place(corner).map((at) => at.toFixed(1)).join(" ")).join("L")}`;
    const outlines = areas.features.map((feature) => rings(feature).map((ring) => `${trace(ring)}Z`).join(""));
    const told = rows.filter((row) => areas.features[row].properties.area_id);
    const metres = (111320 * Math.cos(((south + north) * Math.PI) / 360)) / perDegree;
    const picture = (under, opacity) => {
      const [[left, top], , [right, bottom]] = under.corners.map(place);
      return (
        `<image href="${under.picture}" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" ` +
        `opacity="${opacity}" preserveAspectRatio="none" pointer-events="none"/>`
      );
    };
    const name = ({ name, at }) => {
      const [x, y] = place(at);
      return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}">${escape(name)}</text>`;
    };
    const marks = `map-marks-${document.querySelectorAll(".map-picture svg").length}`;
    host.innerHTML =
      `<svg viewBox="-5 -5 ${width + 10} ${height + 55}" role="img">` +
      `<defs><pattern id="${marks}-stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
      '<rect width="4" height="8" style="fill: var(--white)"/><rect x="1.2" width="1.6" height="8" style="fill: var(--black)"/></pattern>' +
      `<pattern id="${marks}-untold" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
      '<rect width="1.3" height="9" style="fill: var(--rule)"/></pattern></defs>' +
      (relief ? `<path style="fill: var(--ground)" d="${told.map((row) => outlines[row]).join("")}"/>${picture(relief, 1)}` : "") +
      `<g class="areas">${outlines.map((d, row) => `<path data-row="${row}" d="${d}"/>`).join("")}</g>` +
      `<g class="overlay"></g><g class="stripes" pointer-events="none"></g>` +
      `<path class="borders" d="${districts.borders.map(trace).join("")}"/><g class="chosen"></g>` +
      `<g class="names" aria-hidden="true">${districts.names.map(name).join("")}</g>${drawScale(metres, width, height)}</svg>`;
    const svg = host.firstChild;
    const part = (of) => svg.querySelector(`.${of}`);
    const paths = [...part("areas").children];
    part("areas").addEventListener("click", (event) => choose(Number(event.target.dataset.row)));
    return {
      paint(shown) {
        const untold = new Set(shown.untold);
        paths.forEach((path, row) => {
          path.setAttribute("fill", untold.has(row) ? `url(#${marks}-untold)` : colourOf(shown, row));
          path.setAttribute("fill-opacity", GLAZE);
        });
        part("stripes").innerHTML = shown.outside.map((row) => `<path fill="url(#${marks}-stripes)" d="${outlines[row]}"/>`).join("");
        const pale = shown.covered.map((row) => outlines[row]).join("");
        part("overlay").innerHTML = shown.overlay
          ? `<path style="fill: var(--neither)" opacity="${shown.opacity}" pointer-events="none" d="${pale}"/>${picture(shown.overlay, shown.opacity)}`
          : "";
        svg.setAttribute("aria-label", shown.alt);
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

  return { find, view: find("map-view"), areas, layers, districts, relief, rows, colourNamed, NONE, GLAZE, subtract, classOf, write, colourOf, element, swatch, boundsOf, startPicture };
})();
