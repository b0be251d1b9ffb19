// The analyst's map. Draws with WebGL where the browser has it, as an SVG picture where it has not,
// and as the same picture on paper.
(() => {
  "use strict";

  const { find, view, areas, layers, rows, colourNamed, NONE, subtract, classOf, write, element, swatch } = mapDrawing;
  const controls = view.querySelector("form");
  const APPLIES = { breaks: [0.5], colours: [colourNamed("outside"), colourNamed("inside")], labels: ["outside: unlike anything in training", "inside"] };
  const UNKNOWN = { breaks: [], colours: [NONE], labels: ["known"] };

  const KINDS = {
    predicted: { name: "predicted", values: (layer) => layer.predicted, classes: "scores", blank: "not predicted" },
    observed: { name: "observed", values: (layer) => layer.observed, classes: "scores", blank: "no score" },
    residual: { name: "observed − predicted", values: (layer) => subtract(layer.observed, layer.predicted), classes: "residuals", blank: "not predicted", note: "Orange: higher than predicted. Purple: lower." },
    width: { name: "width of the 80% interval", values: (layer) => subtract(layer.high, layer.low), classes: "widths", blank: "no interval" },
    outside: { name: "where the model applies", values: (layer) => layer.inside, blank: "not measured" },
  };

  // ---- values

  function read() {
    const asked = new FormData(controls);
    const layer = layers[Number(asked.get("target"))];
    const kind = KINDS[asked.get("layer")] ?? showEye(asked.get("layer"));
    const classes = kind.classes ? layer[kind.classes] ?? UNKNOWN : APPLIES;
    const found = kind.values(layer).map((value) => classOf(value, classes.breaks));
    const overlay = asked.get("overlay") ? layer.overlay : null;
    const opacity = Number(asked.get("opacity") ?? 0) / 100;
    const outside = rows.filter((row) => kind !== KINDS.observed && layer.inside[row] === 0);
    // Pale says that ground adds nothing: only where something was predicted is that so.
    const covered = rows.filter((row) => layer.predicted[row] !== null);
    const alt = `Map of ${areas.features.length} areas. ${layer.says}`;
    return { layer, kind, classes, found, overlay, opacity, outside, covered, untold: [], alt };
  }

  // ---- what is said

  function drawLegend(shown) {
    const list = element("ul");
    shown.classes.labels.forEach((label, place) => {
      const n = shown.found.filter((value) => value === place).length;
      list.append(swatch(shown.classes.colours[place], `${label} (${n})`));
    });
    const nBlank = shown.found.filter((value) => value === null).length;
    if (nBlank) list.append(swatch(NONE, `${shown.kind.blank} (${nBlank})`));
    if (shown.outside.length && shown.kind.classes) {
      list.append(swatch("", `outside: unlike anything in training (${shown.outside.length})`, "stripes"));
    }
    const notes = ["Number of areas in brackets.", shown.kind.note];
    if (shown.kind.classes === "scores") notes.push("Predicted and observed have the same classes, as on the public page: fifths of what was observed in areas that may be shown there.");
    if (shown.kind === KINDS.width) notes.push(shown.layer.says_width);
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
    const number = (value) => write(value, layer.places);
    const interval = layer.low[row] === null ? "" : ` (80% interval ${number(layer.low[row])} to ${number(layer.high[row])})`;
    const residual = subtract([layer.observed[row]], [layer.predicted[row]])[0];
    const lines = [
      ["predicted", layer.predicted[row] === null ? "not predicted" : number(layer.predicted[row]) + interval],
      ["observed", number(layer.observed[row])],
      ["observed − predicted", number(residual)],
    ];
    if (layer.tenth?.[row]) lines.push(["national tenth", `${layer.tenth[row]} of 10 (1 the most deprived)`]);
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

  function tell([shown]) {
    const says = find("map-says");
    says.className = `small ${shown.layer.sense}`;
    says.replaceChildren(element("strong", `${shown.layer.name}, ${shown.kind.name}: `), element("b", `${shown.layer.sign} `), shown.layer.says);
    const overlayControls = find("map-overlay");
    if (overlayControls) overlayControls.hidden = !shown.layer.overlay;
    drawLegend(shown);
  }

  startMaps({ read, tell, describe: (row) => describeArea(row, read().layer), title: "Map of the areas." });
})();
