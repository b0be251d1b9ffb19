// The map of the explore page: what was predicted beside what was observed, or how far off it was.
(() => {
  "use strict";

  const { view, areas, layers, rows, subtract, classOf, write, element, swatch, relief, GLAZE } = mapDrawing;
  const controls = view.querySelector("form");
  const KINDS = {
    predicted: { name: "Predicted", values: (layer) => layer.predicted, classes: "scores", blank: "not predicted" },
    observed: { name: "Observed", values: (layer) => layer.observed, classes: "scores", blank: "no score" },
    residual: { name: "Observed − predicted", values: (layer) => subtract(layer.observed, layer.predicted), classes: "residuals", blank: "not predicted", note: "Orange: higher than predicted. Purple: lower." },
    width: { name: "Width of the 80% interval", values: (layer) => subtract(layer.high, layer.low), classes: "widths", blank: "no interval" },
  };

  // As the eye sees it over the ground.
  const glaze = (colour) => (relief ? `color-mix(in srgb, ${colour} ${100 * GLAZE}%, var(--ground))` : colour);

  function read(pane) {
    const asked = new FormData(controls);
    const layer = layers[Number(asked.get("target"))];
    const kind = KINDS[pane === "predicted" ? "predicted" : (asked.get("layer") ?? "observed")];
    const classes = layer[kind.classes];
    const values = kind.values(layer);
    const found = values.map((value) => classOf(value, classes.breaks));
    // What is withheld has no code, and is hatched.
    const untold = rows.filter((row) => !areas.features[row].properties.area_id);
    const outside = rows.filter((row) => kind !== KINDS.observed && layer.inside[row] === 0);
    const n = values.filter((value) => value !== null).length;
    const alt = `${kind.name}: ${layer.name}. ${n} of ${rows.length} areas shown.`;
    return { layer, kind, classes, found, untold, outside, covered: [], overlay: null, opacity: 0, alt };
  }

  function drawLegend(host, { layer, kind, classes, found, untold, outside }) {
    const list = element("ul");
    const last = classes.labels.length - 1;
    classes.labels.forEach((label, place) => {
      const isScore = kind.classes === "scores" && last > 0;
      const end = isScore && place === 0 ? `, ${layer.ends[0]}` : isScore && place === last ? `, ${layer.ends[1]}` : "";
      list.append(swatch(glaze(classes.colours[place]), `${label}${layer.unit}${end}`));
    });
    if (found.some((value, row) => value === null && areas.features[row].properties.area_id)) list.append(swatch("", kind.blank));
    if (untold.length) list.append(swatch("", "not shown", "untold"));
    if (outside.length) list.append(swatch("", "unlike anything in training", "stripes"));
    host.replaceChildren(list, ...(kind.note ? [element("p", kind.note, { class: "small" })] : []));
  }

  function tell(shown) {
    const [{ layer }] = shown;
    const says = [element("b", `${layer.name}. `), layer.meaning];
    if (layer.says) says.push(` ${layer.says}`);
    mapDrawing.find("map-says").replaceChildren(...says);
    view.querySelectorAll(".map-pane").forEach((pane, k) => {
      pane.querySelector("h3").textContent = shown[k].kind.name;
      drawLegend(pane.querySelector(".legend"), shown[k]);
    });
  }

  function describe(row) {
    const { layer } = read("predicted");
    const named = areas.features[row].properties;
    if (!named.area_id) return [element("p", "The figures of this area are not shown.")];
    const number = (value, blank) => (value === null ? blank : `${write(value, layer.places)}${layer.unit}`);
    const lines = [
      ["predicted", number(layer.predicted[row], "not predicted")],
      ["observed", number(layer.observed[row], "no score")],
    ];
    if (layer.low[row] !== null) lines.splice(1, 0, ["80% interval", `${write(layer.low[row], layer.places)} to ${number(layer.high[row], "")}`]);
    if (layer.residuals) lines.push(["observed − predicted", number(subtract([layer.observed[row]], [layer.predicted[row]])[0], "–")]);
    if (layer.inside[row] !== null) lines.push(["the model", layer.inside[row] ? "applies here" : "▨ unlike anything in training"]);
    if (named.flown) lines.push(["flown", named.flown]);
    lines.push(["what it counts", layer.meaning]);
    const place = [named.area_name ? named.area_id : null, named.district].filter(Boolean).join(", ");
    const title = element("p");
    title.append(element("b", named.area_name ?? named.area_id), place ? ` (${place}), ${layer.name}` : `, ${layer.name}`);
    const table = element("dl");
    for (const [term, text] of lines) table.append(element("dt", term), element("dd", text));
    return [title, table, ...(layer.eyes ? tellEyes(layer.eyes, row, element) : [])];
  }

  startMaps({ read, tell, describe, title: "Map of the areas." });
})();
