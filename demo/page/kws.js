// The firmware, compiled to WebAssembly: demo/c/demo.h.

const SAMPLE_RATE = 16000;
const HOP = 160;  // samples from one column to the next
const HOP_MS = 10;
const SENSITIVITIES = ["low", "medium", "high"];
const SILENT_SAMPLES = 150 * HOP;  // behind the end of a recording, until every word is decided: as examples/baremetal/main.c

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

// One firmware and its state.
class Kws {
  // module: WebAssembly.Module.
  static async make(module) {
    return new Kws(await WebAssembly.instantiate(module, {}));
  }

  constructor(instance) {
    this.c = instance.exports;
    this.memory = this.c.memory;
    this.classes = this.c.kws_demo_classes();
    this.mels = this.c.kws_demo_mels();
    this.lagColumns = Math.round(this.c.kws_demo_lag_ms() / HOP_MS);
    this.firstScore = this.c.kws_demo_first_score();
    this.names = Array.from({ length: this.classes }, (_, word) => this.text(this.c.kws_demo_name(word)));
    const presets = SENSITIVITIES.map((sensitivity) => this.preset(sensitivity));
    this.words = this.names.map((_, word) => presets.some((preset) => preset[word].hops > 0));
    this.reset("medium");
  }

  // A string of C's.
  text(address) {
    const bytes = new Uint8Array(this.memory.buffer, address);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  // Whether a class is reported at some sensitivity: silence and unknown words never are.
  isWord(index) {
    return this.words[index];
  }

  // The thresholds of a sensitivity: { probability in 255ths, hops } for each class.
  preset(sensitivity) {
    return this.names.map((_, word) => {
      const packed = this.c.kws_demo_preset(SENSITIVITIES.indexOf(sensitivity), word);
      return { probability: packed & 255, hops: packed >> 8 };
    });
  }

  reset(sensitivity) {
    this.c.kws_demo_reset(SENSITIVITIES.indexOf(sensitivity));
  }

  setThresholds(thresholds) {
    thresholds.forEach(({ probability, hops }, word) => this.c.kws_demo_set_threshold(word, probability, hops));
  }

  // Samples in parts that the firmware takes at once; `work` is called behind each with their number.
  inParts(samples, work) {
    const place = new Int16Array(this.memory.buffer, this.c.kws_demo_samples(), SAMPLE_RATE);
    for (let start = 0; start < samples.length; start += SAMPLE_RATE) {
      const part = samples.subarray(start, start + SAMPLE_RATE);
      place.set(part);
      work(part.length);
    }
  }

  // Int16Array of any length -> the columns that it completes:
  // { count, columns Int8Array [count * mels], scored: the last so many have scores Int16Array [scored * classes] and
  //   probabilities Uint8Array [scored * classes], words: [{ word, confidence, ms }] }.
  push(samples) {
    const all = { count: 0, columns: [], scored: 0, scores: [], probabilities: [], words: [] };
    this.inParts(samples, (length) => {
      const count = this.c.kws_demo_push(length);
      const scored = this.c.kws_demo_scored();
      const first = (count - scored) * this.classes;
      const memory = this.memory.buffer;
      all.count += count;
      all.scored += scored;
      all.columns.push(new Int8Array(memory, this.c.kws_demo_columns(), count * this.mels).slice());
      all.scores.push(new Int16Array(memory, this.c.kws_demo_scores() + 2 * first, scored * this.classes).slice());
      all.probabilities.push(new Uint8Array(memory, this.c.kws_demo_probabilities() + first, scored * this.classes).slice());
      const words = new Uint32Array(memory, this.c.kws_demo_words(), 4 * this.c.kws_demo_word_count());
      for (let at = 0; at < words.length; at += 4) {
        all.words.push({ word: words[at + 1], confidence: words[at + 2], ms: words[at + 3] });
      }
    });
    all.columns = joined(Int8Array, all.columns);
    all.scores = joined(Int16Array, all.scores);
    all.probabilities = joined(Uint8Array, all.probabilities);
    return all;
  }

  // What the level meter says of all that was pushed since the last reset of it: dBFS, and a line of advice.
  level() {
    const at = this.c.kws_demo_level();
    const [peak, rms, loudest] = new Int16Array(this.memory.buffer, at + 12, 3);
    return { peak: peak / 10, rms: rms / 10, loudest: loudest / 10, advice: this.text(this.c.kws_demo_advice()) };
  }

  resetLevel() {
    this.c.kws_demo_level_reset();
  }

  // The level of a sound alone.
  levelOf(samples) {
    this.resetLevel();
    this.inParts(samples, (length) => this.c.kws_demo_level_push(length));
    return this.level();
  }
}

// Typed arrays behind one another.
function joined(kind, parts) {
  const whole = new kind(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
