/* The page's own half of the explorer: the generator runs here, and the place is kept here. The panel is panel.js. */

import * as ort from "./ort.wasm.bundle.min.mjs";
import { makePanel } from "./panel.js";

ort.env.wasm.numThreads = 1; // more would need headers that a plain web server doesn't send
const root = document.getElementById("panel");
let about, session;
try {
  const model = ort.InferenceSession.create(new URL("generator.onnx", import.meta.url).href);
  [about, session] = await Promise.all([fetch("play.json").then((answer) => answer.json()), model]);
} catch (error) {
  root.textContent = `The generator could not be loaded: ${error.message}`;
  throw error;
}
const { size, latent_dim: length, directions } = about;
const level = directions.map(() => 0);

/** The pixels, size × size × 3 bytes, of one z; each value rounded as the library does. */
async function draw(z) {
  const { images } = await session.run({ z: new ort.Tensor("float32", z, [1, length]) });
  const pixels = new Uint8Array(size * size * 3), area = size * size;
  const channels = images.dims[1]; // 1 for grey
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = Math.round((images.data[(i % channels) * area + Math.floor(i / 3)] + 1) * 127.5);
  }
  return pixels;
}

/** A new z: normal by Box and Muller's formula, or uniform in [-1, 1]. */
function noise() {
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Float32Array.from({ length }, about.noise === "normal" ? normal : () => 2 * Math.random() - 1);
}

/** The walk on the sphere from a to b, at a share of the way: dcgan_lib.latent.walks.slerp. */
function slerp(a, b, share) {
  const norm = (z) => Math.hypot(...z);
  const angle = Math.acos(Math.min(1, Math.max(-1, a.reduce((sum, x, i) => sum + x * b[i], 0) / norm(a) / norm(b))));
  if (Math.sin(angle) < 1e-4) return a.map((x, i) => x + share * (b[i] - x));
  const [one, other] = [Math.sin((1 - share) * angle) / norm(a), Math.sin(share * angle) / norm(b)];
  const radius = ((1 - share) * norm(a) + share * norm(b)) / Math.sin(angle);
  return a.map((x, i) => radius * (one * x + other * b[i]));
}

let place = { base: noise(), amounts: level, kept: [] };
let gesture = null;
const past = [];
const current = () => place.base.map((x, i) =>
  place.amounts.reduce((sum, amount, j) => sum + amount * about.deviation * directions[j].vector[i], x));
const face = (number) => place.kept.find((each) => each.number === number).z;

/** Change the place; what goes on with a gesture is undone together with its beginning. */
function go(changes, by = null) {
  if (by === null || by !== gesture) past.push(place);
  gesture = by;
  place = { ...place, ...changes };
}

const moved = (amounts) => amounts.findIndex((amount, i) => amount !== place.amounts[i]);
const actions = {
  another: () => go({ base: noise(), amounts: level }),
  slide: ({ amounts, drag }) => go({ amounts }, drag && `slide ${moved(amounts)}`),
  async keep() {
    const number = Math.max(0, ...place.kept.map((each) => each.number)) + 1;
    const z = current();
    go({ kept: [...place.kept, { number, z, pixels: await draw(z) }] });
    return `kept as face ${number}`;
  },
  undo() {
    if (!past.length) return "nothing to undo";
    [place, gesture] = [past.pop(), null];
    return "undone";
  },
  show({ picked }) {
    if (picked.length !== 1) return "tick one of the kept faces first";
    go({ base: face(picked[0]), amounts: level });
  },
  mix({ picked, share }) {
    if (picked.length !== 2) return "tick two of the kept faces first";
    go({ base: slerp(...picked.map(face), share), amounts: level }, `mix ${picked}`);
  },
  drop({ picked }) {
    if (!picked.length) return "tick the kept faces that may go first";
    go({ kept: place.kept.filter((each) => !picked.includes(each.number)) });
  },
  async save({ form }) {
    const canvas = root.querySelector("canvas.face");
    const blob = form === "PNG" ? await new Promise((done) => canvas.toBlob(done)) : new Blob([state()]);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = form === "PNG" ? "face.png" : "face.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return `saved as ${link.download}`;
  },
};

/** The place as a file that LatentExplorer.read opens. */
function state() {
  const kept = place.kept.map(({ number, z }) => ({ number, z: [...z] }));
  const { format, generator } = about;
  return JSON.stringify({ format, generator, base: [...place.base], amounts: place.amounts, directions, kept });
}

const show = async (message = "") => panel({ ...place, pixels: await draw(current()), message });

/** Whether this browser draws what PyTorch drew when the page was built, and by how much it differs. */
async function check() {
  const expected = Uint8Array.from(atob(about.check.pixels), (letter) => letter.charCodeAt(0));
  const drawn = await draw(Float32Array.from(about.check.z));
  const most = drawn.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i])), 0);
  const said = most > 1 ? "This browser draws other faces than PyTorch" : "Checked: this browser draws as PyTorch does";
  document.getElementById("check").textContent = `${said} (a test face differs by ${most} of 255 levels).`;
  root.dataset.differs = most;
}

root.replaceChildren();
document.getElementById("numbers").textContent = length;
document.getElementById("painted").hidden = !about.painted;
document.getElementById("links").hidden = !about.in_site;
const options = { ...about, names: directions.map(({ name }) => name), saves: ["PNG", "z"] };
const panel = makePanel(root, options, async (question) => show(await actions[question.act](question)));
await show();
await check();
