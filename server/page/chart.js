// A line of the live rate over the last minute, with the tuned rate as a mark to compare it with.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 272;
const HEIGHT = 48;
/** What the line looks back on at least, once there is so much, and at most, milliseconds. */
const SHORTEST = 15000;
const LONGEST = 60000;
/** A gap between two points that is no line, milliseconds. */
const GAP = 2000;

export class Chart {
  constructor(svg) {
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    this.mark = svg.appendChild(document.createElementNS(NAMESPACE, "path"));
    this.mark.setAttribute("class", "mark");
    this.line = svg.appendChild(document.createElementNS(NAMESPACE, "path"));
    this.line.setAttribute("class", "line");
    this.svg = svg;
    this.points = [];
  }

  add(time, rate) {
    this.points.push({ time, rate });
    while (this.points[0].time < time - LONGEST) this.points.shift();
  }

  draw(tuned) {
    this.svg.toggleAttribute("hidden", this.points.length < 2);
    if (this.points.length < 2) return;
    const from = this.points[0].time;
    const span = Math.max(SHORTEST, this.points.at(-1).time - from);
    const top = 1.15 * Math.max(tuned ?? 0, ...this.points.map((point) => point.rate));
    const x = (time) => ((WIDTH * (time - from)) / span).toFixed(1);
    const y = (rate) => (HEIGHT * (1 - rate / top)).toFixed(1);
    const isNew = (index) => index === 0 || this.points[index].time - this.points[index - 1].time > GAP;
    const steps = this.points.map(({ time, rate }, index) => `${isNew(index) ? "M" : "L"}${x(time)} ${y(rate)}`);
    this.line.setAttribute("d", steps.join(""));
    this.mark.setAttribute("d", tuned ? `M0 ${y(tuned)}H${WIDTH}` : "");
  }
}
