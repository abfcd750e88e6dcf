/* The explorer's panel, the same in a notebook and on the page: it shows a place, and passes on what is asked. */

const make = (tag, properties = {}, ...children) => {
  const { role, label, ...plain } = properties;
  const element = Object.assign(document.createElement(tag), plain);
  if (role) element.setAttribute("role", role);
  if (label) element.setAttribute("aria-label", label);
  // JupyterLab would take the arrows and Enter as its own, unless the element that has the focus says this.
  if (["button", "input"].includes(tag)) element.dataset.lmSuppressShortcuts = "true";
  element.append(...children);
  return element;
};

/** Put pixels, a view of size × size × 3 bytes, on a canvas; its own resolution is theirs, the style sheet makes it larger. */
function paint(canvas, size, pixels) {
  const image = new ImageData(size, size);
  const values = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  for (let i = 0, j = 0; i < image.data.length; i++) image.data[i] = i % 4 === 3 ? 255 : values[j++];
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/**
 * Build the panel in `root`. `about`: {size, names, range, step, saves}, names of the directions, forms of files.
 * `ask(question)`: promises that the answer has been shown; the next question is asked after that.
 * Returns show(place): {pixels, amounts, message, kept: [{number, pixels}]}.
 */
export function makePanel(root, about, ask) {
  const questions = [];
  let asking = false;

  async function say(question) {
    if (question.drag && questions.at(-1)?.drag === question.drag) questions.pop(); // only the newest place counts
    questions.push(question);
    if (asking) return;
    asking = true;
    while (questions.length) await ask(questions.shift());
    asking = false;
  }

  const button = (text, question) => make("button", { type: "button", textContent: text, onclick: () => say(question()) });
  const ticked = () => [...kept.querySelectorAll("input:checked")].map((box) => Number(box.value));

  const face = make("canvas", { className: "face", role: "img", label: "a generated face" });
  const message = make("p", { className: "message", role: "status" });
  const names = about.names.map((name) => name.replaceAll("_", " "));
  const sliders = names.map((name) => {
    const value = make("span", { textContent: signed(0) });
    const input = make("input", { type: "range", min: -about.range, max: about.range, step: about.step, label: name });
    input.oninput = () => {
      value.textContent = signed(input.valueAsNumber);
      say({ act: "slide", drag: "slide", amounts: sliders.map((each) => each.input.valueAsNumber) });
    };
    return { input, value, row: make("label", {}, make("span", { textContent: name }), input, value) };
  });
  const share = make("input", { type: "range", min: 0, max: 1, step: 0.02, value: 0.5 });
  const mixture = make("label", { hidden: true }, make("span"), share, make("span"));
  let mixed = [], shownKept = null;
  const mix = (drag) => ({ act: "mix", drag, picked: mixed, share: share.valueAsNumber });
  share.oninput = () => say(mix("mix"));

  function mixTicked() {
    mixed = ticked();
    mixture.hidden = mixed.length !== 2;
    share.value = 0.5;
    [mixture.firstChild.textContent, mixture.lastChild.textContent] = mixed.map((number) => `face ${number}`);
    share.setAttribute("aria-label", `mixture of face ${mixed.join(" and face ")}`);
    return mix();
  }

  const kept = make("ul", { className: "kept", label: "kept faces" });
  root.classList.add("dcgan-explorer");
  root.append(
    make("div", { className: "main" },
      make("div", { className: "left" }, face,
        make("div", { className: "buttons" },
          button("Another face", () => ({ act: "another" })),
          button("Keep", () => ({ act: "keep" })),
          button("Undo", () => ({ act: "undo" }))),
        make("div", { className: "buttons" },
          ...about.saves.map((form) => button(`Save ${form}`, () => ({ act: "save", form })))),
        message),
      make("fieldset", { className: "sliders" }, make("legend", { textContent: "Directions" }),
        ...sliders.map((each) => each.row),
        button("All to 0", () => ({ act: "slide", amounts: sliders.map(() => 0) })))),
    make("fieldset", {}, make("legend", { textContent: "Kept faces" }), kept,
      make("div", { className: "buttons" },
        button("Show", () => ({ act: "show", picked: ticked() })),
        button("Mix these two", mixTicked),
        button("Remove", () => ({ act: "drop", picked: ticked() }))), mixture),
  );

  return function show(place) {
    paint(face, about.size, place.pixels);
    const moved = place.amounts.map((amount, i) => amount && `${names[i]} ${signed(amount)}`).filter(Boolean);
    face.setAttribute("aria-label", ["a generated face", ...moved].join(", "));
    message.textContent = place.message;
    if (!questions.length) { // or else a slider would jump back below the finger that moves it
      place.amounts.forEach((amount, i) => {
        sliders[i].input.value = amount;
        sliders[i].value.textContent = signed(amount);
      });
    }
    if (place.kept === shownKept) return;
    shownKept = place.kept;
    const before = ticked();
    kept.replaceChildren(...place.kept.map(({ number, pixels }) => {
      const canvas = make("canvas", {});
      paint(canvas, about.size, pixels);
      const box = make("input", { type: "checkbox", value: number, checked: before.includes(number) });
      return make("li", {}, make("label", {}, canvas, make("span", {}, box, ` face ${number}`)));
    }));
    mixture.hidden ||= !mixed.every((number) => place.kept.some((each) => each.number === number));
  };
}

const signed = (amount) => (amount > 0 ? "+" : amount < 0 ? "−" : "") + Math.abs(amount).toFixed(1);

/** In a notebook: the kernel draws, `model` is its end of the line. */
function render({ model, el }) {
  let answered = () => {};
  const show = makePanel(el, model.get("about"), (question) => {
    model.send(question);
    return new Promise((resolve) => (answered = resolve));
  });
  const update = () => {
    show({ ...model.get("place"), kept: model.get("kept") });
    answered();
  };
  model.on("change:place", update);
  update();
  return () => model.off("change:place", update);
}

export default { render };
