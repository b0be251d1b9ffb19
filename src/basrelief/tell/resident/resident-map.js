// The public map: the computer's estimates beside the official scores, in words.
(() => {
  "use strict";

  const { find, view, areas, layers, rows, classOf, write, element, swatch, relief, GLAZE } = mapDrawing;
  const controls = view.querySelector("form");
  const NAMES = { predicted: "The computer's estimate", observed: "The official score" };

  // As the eye sees it over the ground.
  const glaze = (colour) => (relief ? `color-mix(in srgb, ${colour} ${100 * GLAZE}%, var(--ground))` : colour);

  function read(kind) {
    const layer = layers[Number(new FormData(controls).get("target"))];
    const found = layer[kind].map((value) => classOf(value, layer.scores.breaks));
    const untold = rows.filter((row) => found[row] === null);
    const alt = `${NAMES[kind]}: ${layer.name}. ${rows.length - untold.length} of ${rows.length} areas shown.`;
    return { layer, classes: layer.scores, found, untold, outside: [], covered: [], overlay: null, opacity: 0, alt };
  }

  function tell([{ layer, classes, untold }]) {
    find("map-says").replaceChildren(element("b", `${layer.name}. `), layer.meaning);
    const list = element("ul");
    const last = classes.labels.length - 1;
    classes.labels.forEach((label, place) => {
      const end = last && place === 0 ? `, ${layer.ends[0]}` : last && place === last ? `, ${layer.ends[1]}` : "";
      list.append(swatch(glaze(classes.colours[place]), `${label}${layer.unit}${end}`));
    });
    if (untold.length) list.append(swatch("", "not shown", "untold"));
    find("map-legend").replaceChildren(list);
  }

  function describe(row) {
    const { layer } = read("predicted");
    const named = areas.features[row].properties;
    if (!named.area_id) return [element("p", "The figures of this area are not shown.")];
    const number = (value) => (value === null ? "not shown" : `${write(value, layer.places)}${layer.unit}`);
    const lines = [
      ["estimate", number(layer.predicted[row])],
      ["official score", number(layer.observed[row])],
    ];
    if (layer.low[row] !== null) {
      lines.splice(1, 0, ["likely range", `${write(layer.low[row], layer.places)} to ${number(layer.high[row])}`]);
    }
    if (layer.tenth?.[row]) lines.push(["national tenth", `${layer.tenth[row]} of 10, where 1 is the most deprived`]);
    if (layer.inside[row] === 0) lines.push(["take care", "The computer learnt from no area like this one."]);
    const title = element("p");
    const place = [named.area_name ? named.area_id : null, named.district].filter(Boolean).join(", ");
    title.append(element("b", named.area_name ?? named.area_id), place ? ` (${place}), ${layer.name}` : `, ${layer.name}`);
    const table = element("dl");
    for (const [term, text] of lines) table.append(element("dt", term), element("dd", text));
    return [title, table];
  }

  startMaps({ read, tell, describe, title: "Map of the areas." });
})();
