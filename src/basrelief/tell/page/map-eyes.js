// What an eye, place or district adds to every area, as a layer of the map by its name.
const showEye = (name) => ({
  name: `what ${name} adds`,
  values: ({ eyes, predicted }) => eyes?.added[eyes.names.indexOf(name)] ?? predicted.map(() => null),
  classes: "eyes",
  blank: "not known",
  note: "Orange: above the mean by what it adds. Purple: below. One scale for all that is added. Eyes that tell the same share what they tell.",
});

// What each eye, and where an area lies, add to the prediction of an area chosen on the map.
const tellEyes = (eyes, row, element) => {
  "use strict";
  const added = eyes.added.map((values) => values[row]);
  if (added.some((value) => value === null)) return [];
  const table = element("table", "", { class: "sums" });
  table.append(element("caption", `What each eye adds, by ${eyes.recipe}`));
  eyes.names.forEach((name, k) => {
    const sign = added[k] < 0 ? "−" : added[k] > 0 ? "+" : "";
    const line = element("tr");
    line.append(element("th", name, { scope: "row" }), element("td", `${sign}${Math.abs(added[k]).toFixed(Math.max(0, eyes.places))}`));
    table.append(line);
  });
  return [table, element("p", `Above (+) or below (−) the mean, while the area was held out. Eyes that tell the same share what they tell: what one adds to all others is told under "What each eye adds".`, { class: "small" })];
};
