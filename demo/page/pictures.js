// What was heard, and two pictures of it over the same seconds: log-mel features, and the probability of each class.

const SPAN = 600;  // columns that a picture shows
const GUTTER = 66;  // pixels on the left, for names
const TICKS = [500, 1000, 2000, 4000];  // Hz
const TOP_HZ = 8000;
const ROW = 21;  // pixels of a class
const DARKEST = -110;  // features from here to the brightest get the colours from one end to the other
const BRIGHTEST = 90;

// Columns and probabilities, the latest `capacity` of them.
class History {
  constructor(kws, capacity) {
    this.kws = kws;
    this.capacity = capacity;
    this.columns = new Int8Array(capacity * kws.mels);
    this.probabilities = new Uint8Array(capacity * kws.classes);
    this.words = [];
    this.total = 0;
  }

  // What Kws.push() returned. A score stands at the column that it is about, not at the one that completed it.
  add({ count, columns, scored, probabilities, words }) {
    const { mels, classes, lagColumns } = this.kws;
    for (let index = 0; index < count; index++) {
      const at = (this.total + index) % this.capacity;
      this.columns.set(columns.subarray(index * mels, (index + 1) * mels), at * mels);
      this.probabilities.fill(0, at * classes, (at + 1) * classes);
    }
    this.total += count;
    for (let index = 0; index < scored; index++) {
      const about = this.total - scored + index - lagColumns;
      const row = probabilities.subarray(index * classes, (index + 1) * classes);
      this.probabilities.set(row, (about % this.capacity) * classes);
    }
    this.words = [...this.words, ...words].filter(({ ms }) => ms / HOP_MS >= this.total - this.capacity);
  }

  // Columns whose scores are there.
  get decided() {
    return Math.max(0, this.total - this.kws.lagColumns);
  }
}

function melOf(hertz) {
  return 2595 * Math.log10(1 + hertz / 700);
}

// Colours of a style, such as "--paper".
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// "#rrggbb" of the style's scale, from quiet to loud -> [256][3].
function scale() {
  const stops = ["--mel-0", "--mel-1", "--mel-2", "--mel-3", "--mel-4"].map((name) =>
    [1, 3, 5].map((at) => parseInt(colour(name).slice(at, at + 2), 16)),
  );
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1);
    const stop = Math.min(stops.length - 2, Math.floor(place));
    return stops[stop].map((from, part) => Math.round(from + (stops[stop + 1][part] - from) * (place - stop)));
  });
}

class Pictures {
  constructor(kws, features, probabilities) {
    this.kws = kws;
    this.features = features;
    this.probabilities = probabilities;
    this.end = 0;  // the column at the right edge
    this.cursor = null;  // a column, where a recording is being played
    this.order = kws.names.map((_, index) => index).sort((a, b) => kws.isWord(b) - kws.isWord(a) || a - b);
    probabilities.style.height = `${this.order.length * ROW + 22}px`;
    this.image = new OffscreenCanvas(SPAN, kws.mels);
    this.restyle();
  }

  restyle() {
    this.scale = scale();
    this.ink = { paper: colour("--card"), ink: colour("--ink"), soft: colour("--soft"), line: colour("--line") };
    this.ink = { ...this.ink, accent: colour("--accent"), word: colour("--word") };
  }

  // The drawing surface of a canvas, as large as it is shown, in its pixels.
  surface(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = this.ink.paper;
    pen.fillRect(0, 0, width, height);
    pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
    pen.textBaseline = "middle";
    return { pen, width, height };
  }

  // history: History. thresholds: of each class, as Kws.preset().
  draw(history, thresholds) {
    const first = this.end - SPAN;
    const oldest = Math.max(0, first, history.total - history.capacity);
    this.drawFeatures(history, first, oldest);
    this.drawProbabilities(history, first, oldest, thresholds);
  }

  drawFeatures(history, first, oldest) {
    const { pen, width, height } = this.surface(this.features);
    const { mels } = this.kws;
    const pixels = new ImageData(SPAN, mels);
    for (let column = oldest; column < Math.min(this.end, history.total); column++) {
      const at = (column % history.capacity) * mels;
      for (let mel = 0; mel < mels; mel++) {
        const level = (255 * (history.columns[at + mel] - DARKEST)) / (BRIGHTEST - DARKEST);
        const rgb = this.scale[Math.max(0, Math.min(255, Math.round(level)))];
        pixels.data.set([...rgb, 255], 4 * ((mels - 1 - mel) * SPAN + column - first));
      }
    }
    this.image.getContext("2d").putImageData(pixels, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.image, GUTTER, 0, width - GUTTER, height);
    pen.fillStyle = this.ink.soft;
    pen.textAlign = "right";
    for (const hertz of TICKS) {
      const mel = (melOf(hertz) / melOf(TOP_HZ)) * (mels + 1) - 0.5;  // of the filters' centres
      pen.fillText(`${hertz / 1000} kHz`, GUTTER - 8, height * (1 - mel / mels));
    }
    this.drawCursor(pen, width, height, first);
  }

  drawProbabilities(history, first, oldest, thresholds) {
    const { pen, width, height } = this.surface(this.probabilities);
    const { classes, names } = this.kws;
    const step = (width - GUTTER) / SPAN;
    const x = (column) => GUTTER + (column - first) * step;
    const decided = Math.min(this.end, history.decided);
    this.order.forEach((index, row) => {
      const base = (row + 1) * ROW - 3;
      const tall = ROW - 5;
      pen.fillStyle = this.kws.isWord(index) ? this.ink.ink : this.ink.soft;
      pen.textAlign = "right";
      pen.fillText(names[index].replaceAll("_", ""), GUTTER - 8, base - tall / 2);
      pen.fillStyle = this.ink.line;
      pen.fillRect(GUTTER, base, width - GUTTER, 1);
      pen.beginPath();
      pen.moveTo(x(oldest), base);
      for (let column = oldest; column < decided; column++) {
        pen.lineTo(x(column), base - (tall * history.probabilities[(column % history.capacity) * classes + index]) / 255);
      }
      pen.lineTo(x(Math.max(oldest, decided)), base);
      pen.fillStyle = this.kws.isWord(index) ? this.ink.accent : this.ink.soft;
      pen.fill();
      if (thresholds[index].hops) {
        pen.fillStyle = this.ink.soft;
        const level = base - (tall * thresholds[index].probability) / 255;
        for (let dash = GUTTER; dash < width; dash += 8) {
          pen.fillRect(dash, level, 2, 1);
        }
      }
    });
    this.drawWords(pen, history, x, first);
    this.drawTime(pen, width, height, x, first);
    this.drawCursor(pen, width, height, first);
  }

  drawWords(pen, history, x, first) {
    for (const { word, ms } of history.words) {
      const column = ms / HOP_MS;
      if (column >= first && column <= this.end) {
        const middle = (this.order.indexOf(word) + 1) * ROW - 3 - (ROW - 5) / 2;
        pen.beginPath();
        pen.arc(x(column), middle, 6, 0, 2 * Math.PI);
        pen.fillStyle = this.ink.word;
        pen.fill();
        pen.lineWidth = 2;
        pen.strokeStyle = this.ink.paper;
        pen.stroke();
      }
    }
  }

  drawTime(pen, width, height, x, first) {
    pen.fillStyle = this.ink.soft;
    pen.textAlign = "center";
    const second = 1000 / HOP_MS;
    for (let tick = Math.max(0, Math.ceil(first / second)); tick * second <= this.end; tick++) {
      const place = x(tick * second);
      pen.fillRect(place, height - 20, 1, 4);
      if (place < width - 14) {
        pen.fillText(`${tick} s`, place, height - 8);
      }
    }
  }

  drawCursor(pen, width, height, first) {
    if (this.cursor !== null && this.cursor >= first && this.cursor <= this.end) {
      pen.fillStyle = this.ink.word;
      pen.fillRect(GUTTER + ((this.cursor - first) * (width - GUTTER)) / SPAN, 0, 2, height);
    }
  }
}
