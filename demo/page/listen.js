// The first tab: microphone or recording, pictures, words, level and thresholds.

const LIVE_COLUMNS = 3000;  // that are kept of a microphone
const LIVE_WORDS = 200;  // that are listed of it
const LEVEL_SECONDS = 4;  // that the advice is of
const METER_FLOOR = -80;  // dBFS
const CHUNK = 4 * SAMPLE_RATE;  // of a recording, between two pictures
const QUIET_STEP_MS = 500;  // between two pictures where the user wants little motion

class Listener {
  constructor(kws) {
    this.kws = kws;
    this.pictures = new Pictures(kws, byId("features"), byId("probabilities"));
    this.thresholds = kws.preset("medium");
    this.history = new History(kws, LIVE_COLUMNS);
    this.microphone = new Microphone((samples) => this.hear(samples), () => {
      this.stop();
      say("problem", GONE);
    });
    this.file = null;  // { name, samples } where a recording is shown
    this.run = 0;  // number of the run, so that an older one ends
    this.dirty = true;
    this.makeThresholds();
    byId("start").onclick = () => this.toggle();
    byId("file").onchange = ({ target }) => target.files.length && this.open(target.files[0]);
    byId("position").oninput = ({ target }) => this.show(Number(target.value));
    byId("player").ontimeupdate = () => this.follow();
    for (const radio of document.getElementsByName("sensitivity")) {
      radio.onchange = () => this.setThresholds(kws.preset(radio.value));
    }
    this.dropZone();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.pictures.restyle();
      this.dirty = true;
    });
    window.addEventListener("resize", () => (this.dirty = true));
    this.drawn = 0;
    requestAnimationFrame((time) => this.frame(time));
  }

  // ---- Microphone ----

  async toggle() {
    if (this.microphone.starting) {
      return;
    }
    if (this.microphone.on) {
      this.stop();
      return;
    }
    this.begin(LIVE_COLUMNS);
    this.file = null;
    byId("recording").hidden = true;
    say("problem", "");
    say("start", "Starting …");
    try {
      await this.microphone.start(byId("gain").checked);
    } catch (error) {
      say("problem", error.message);
    }
    say("start", this.microphone.on ? "Stop" : "Use the microphone");
    byId("start").classList.toggle("on", this.microphone.on);
  }

  stop() {
    this.microphone.stop();
    byId("start").classList.remove("on");
    say("start", "Use the microphone");
  }

  // ---- What is heard ----

  begin(capacity) {
    this.run += 1;
    this.kws.reset("medium");
    this.kws.setThresholds(this.thresholds);
    this.history = new History(this.kws, capacity);
    this.pictures.end = SPAN;
    this.pictures.cursor = null;
    this.levelled = this.samples = 0;
    this.milliseconds = 0;
    byId("words").replaceChildren();
    say("last", "");
    this.dirty = true;
  }

  hear(samples) {
    const started = performance.now();
    const found = this.kws.push(samples);
    this.milliseconds += performance.now() - started;
    this.samples += samples.length;
    this.history.add(found);
    found.words.forEach((word) => this.report(word));
    if (this.microphone.on) {
      this.pictures.end = Math.max(SPAN, this.history.total);
      this.meter(samples);
    }
    this.dirty = true;
    return found;
  }

  // Such as "yes, 98 %, at 0.46 s", the latest first.
  report({ word, confidence, ms }) {
    const name = this.kws.names[word];
    const sure = Math.round((100 * confidence) / 255);
    const line = make("div", "", make("b", "", name), ` ${sure} % at ${(Math.floor(ms / 10) / 100).toFixed(2)} s`);
    byId("words").prepend(line);
    if (this.microphone.on && byId("words").children.length > LIVE_WORDS) {
      byId("words").lastElementChild.remove();
    }
    say("last", name);
    byId("last").animate?.([{ opacity: 0.2 }, { opacity: 1 }], 300);
  }

  // ---- Level ----

  meter(samples) {
    let energy = 0;
    for (const sample of samples) {
      energy += sample * sample;
    }
    this.showLevel(10 * Math.log10(energy / samples.length / 2 ** 30 + 1e-10));
    this.levelled += samples.length;
    if (this.levelled >= LEVEL_SECONDS * SAMPLE_RATE) {
      this.advise();
      this.levelled = 0;
      this.kws.resetLevel();
      say("load", this.load());
    }
  }

  showLevel(dbfs) {
    const shown = Math.max(METER_FLOOR, Math.min(0, dbfs));
    const meter = byId("meter");
    meter.setAttribute("aria-valuenow", shown.toFixed(0));
    meter.setAttribute("aria-valuetext", `${shown.toFixed(0)} dBFS`);
    meter.firstElementChild.style.width = `${100 * (1 - shown / METER_FLOOR)}%`;
    say("dbfs", `${shown.toFixed(0)} dBFS`);
  }

  advise() {
    const { peak, rms, advice } = this.kws.level();
    say("advice", `${advice} (peak ${peak.toFixed(1)} dBFS, RMS ${rms.toFixed(1)} dBFS)`);
  }

  load() {
    const share = this.milliseconds / ((1000 * this.samples) / SAMPLE_RATE);
    return `Features and network take ${(100 * share).toFixed(1)} % of the time in this browser.`;
  }

  // ---- A recording ----

  dropZone() {
    const over = (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", event.type === "dragover");
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", over);
    document.addEventListener("drop", (event) => {
      over(event);
      if (event.dataTransfer.files.length) {
        byId("listen-tab").click();
        this.open(event.dataTransfer.files[0]);
      }
    });
  }

  async open(file) {
    this.stop();
    say("problem", "");
    let samples;
    try {
      samples = await readSound(file);
    } catch {
      say("problem", `${file.name}: not a sound that this browser can read; convert it to a wav file`);
      return;
    }
    if (!samples.length) {
      say("problem", `${file.name}: holds no samples`);
      return;
    }
    this.file = { name: file.name, samples };
    URL.revokeObjectURL(byId("player").src);
    byId("player").src = URL.createObjectURL(file);
    byId("recording").hidden = false;
    say("recording-name", file.name);
    await this.hearFile();
  }

  // The whole recording, and silence behind it until every word is decided.
  async hearFile() {
    const { samples } = this.file;
    this.begin(Math.ceil((samples.length + SILENT_SAMPLES) / HOP) + 2);
    const run = this.run;
    const parts = [];
    for (let start = 0; start < samples.length; start += CHUNK) {
      parts.push(this.hear(samples.subarray(start, start + CHUNK)));
      await new Promise((done) => setTimeout(done));
      if (run !== this.run) {
        return;
      }
    }
    this.advise();
    this.showLevel(this.kws.level().loudest);
    parts.push(this.hear(new Int16Array(SILENT_SAMPLES)));
    this.file.result = {
      columns: joined(Int8Array, parts.map((part) => part.columns)),
      scores: joined(Int16Array, parts.map((part) => part.scores)),
      words: this.history.words,
    };
    const slider = byId("position");
    slider.max = Math.max(SPAN, this.history.total);
    slider.min = SPAN;
    slider.parentElement.hidden = this.history.total <= SPAN;
    this.show(SPAN);
    if (!this.history.words.length) {
      byId("words").append(make("div", "", "no word in this recording"));
    }
    say("load", this.load());
  }

  show(end) {
    this.pictures.end = end;
    const slider = byId("position");
    slider.value = end;
    slider.setAttribute("aria-valuetext", `${((end * HOP_MS) / 1000).toFixed(1)} seconds`);
    this.dirty = true;
  }

  follow() {
    const column = (1000 * byId("player").currentTime) / HOP_MS;
    this.pictures.cursor = column;
    this.show(Math.max(SPAN, Math.min(this.history.total, Math.max(this.pictures.end, Math.ceil(column)))));
  }

  // ---- Thresholds ----

  makeThresholds() {
    this.sliders = this.kws.names.map((name, word) => {
      if (!this.kws.isWord(word)) {
        return null;
      }
      const slider = (title, max) => {
        const input = make("input", "");
        Object.assign(input, { type: "range", min: 0, max, oninput: () => this.takeThreshold(word) });
        input.setAttribute("aria-label", `${name}: ${title}`);
        return input;
      };
      const row = { probability: slider("least probability", 255), hops: slider("hops", 60) };
      row.shown = { probability: make("output", ""), hops: make("output", "") };
      const cells = [make("td", "", row.probability, row.shown.probability), make("td", "", row.hops, row.shown.hops)];
      const head = make("th", "", name);
      head.scope = "row";
      byId("thresholds").append(make("tr", "", head, ...cells));
      return row;
    });
    this.showThresholds();
  }

  showThresholds() {
    this.sliders.forEach((row, word) => {
      if (row) {
        const { probability, hops } = this.thresholds[word];
        row.probability.value = probability;
        row.hops.value = hops;
        const percent = `${Math.round((100 * probability) / 255)} %`;
        row.shown.probability.value = percent;
        row.shown.hops.value = hops ? `${hops * HOP_MS} ms` : "never";
        row.probability.setAttribute("aria-valuetext", percent);
        row.hops.setAttribute("aria-valuetext", row.shown.hops.value);
      }
    });
  }

  takeThreshold(word) {
    const { probability, hops } = this.sliders[word];
    const changed = { probability: Number(probability.value), hops: Number(hops.value) };
    this.setThresholds(this.thresholds.map((row, index) => (index === word ? changed : row)));
    for (const radio of document.getElementsByName("sensitivity")) {
      radio.checked = false;
    }
  }

  // From now on; a recording is heard again from its beginning.
  setThresholds(thresholds) {
    this.thresholds = thresholds;
    this.showThresholds();
    this.kws.setThresholds(thresholds);
    this.dirty = true;
    if (this.file) {
      clearTimeout(this.again);
      this.again = setTimeout(() => this.file && this.hearFile(), 150);
    }
  }

  // ---- Pictures ----

  frame(time) {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches && this.microphone.on;
    if (this.dirty && (!calm || time - this.drawn > QUIET_STEP_MS) && !byId("listen").hidden) {
      this.pictures.draw(this.history, this.thresholds);
      this.dirty = false;
      this.drawn = time;
    }
    requestAnimationFrame((next) => this.frame(next));
  }
}
