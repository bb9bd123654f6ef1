// The bars of a temperature slider follow it. `data` holds one entry for every step of the slider:
// T as it is shown, the height of each bar (a share of `full`), and all of it in words.
(root, data) => {
  const slider = root.querySelector("input");
  const bars = root.querySelectorAll("rect.bar");
  const show = () => {
    const step = slider.valueAsNumber;
    bars.forEach((bar, k) => {
      const height = data.p[step][k] * data.full;
      bar.setAttribute("height", height);
      bar.setAttribute("y", data.floor - height);
      bar.firstChild.textContent = `${data.classes[k]}: ${data.p[step][k].toFixed(3)}`;
    });
    root.querySelector("output").textContent = data.T[step];
    root.querySelector("p").textContent = data.words[step];
    slider.setAttribute("aria-valuetext", data.words[step]);
  };
  slider.addEventListener("input", show);
  show();
}
