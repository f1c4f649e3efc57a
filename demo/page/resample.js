// Sound of any rate to 16 kHz: the filter of common/resampling.py, a sinc with Blackman's window and integer coefficients, to
// the bit where the samples are integers.

const CROSSINGS = 64;  // zero crossings of the sinc on either side
const ONE = 1 << 20;  // a coefficient of 1 as an integer
const CUTOFF = 1 - 2.75 / CROSSINGS;  // of half the lower rate, where the attenuation is 74 dB

function greatestCommonDivisor(a, b) {
  return b ? greatestCommonDivisor(b, a % b) : a;
}

class Resampler {
  // rate: Hz.
  constructor(rate) {
    const common = greatestCommonDivisor(rate, SAMPLE_RATE);
    this.rate = rate;
    this.up = SAMPLE_RATE / common;  // outputs, one of each phase, to `down` inputs
    this.down = rate / common;
    this.reach = Math.ceil((CROSSINGS * Math.max(rate, SAMPLE_RATE)) / SAMPLE_RATE);
    this.held = new Float64Array(this.reach - 1);  // inputs from number `first` on
    this.first = 1 - this.reach;
    this.made = 0;  // outputs so far
    this.phases = rate === SAMPLE_RATE ? [] : Array.from({ length: this.up }, (_, phase) => this.taps(phase));
  }

  // The coefficients of a phase, Float64Array [2 reach].
  taps(phase) {
    const band = (CUTOFF * Math.min(this.rate, SAMPLE_RATE)) / this.rate;
    return Float64Array.from({ length: 2 * this.reach }, (_, old) => {
      const time = old - this.reach + 1 - phase / this.up;
      const turn = (Math.PI * time) / this.reach;
      const window = 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
      return Math.round(ONE * window * (time ? Math.sin(Math.PI * band * time) / (Math.PI * time) : band));
    });
  }

  // Samples in units of a 16-bit one, any numbers -> Int16Array of the outputs that they complete, saturated.
  push(samples) {
    if (this.rate === SAMPLE_RATE) {
      return Int16Array.from(samples, saturated);
    }
    this.held = joined(Float64Array, [this.held, samples]);
    const last = this.first + this.held.length - 1 - this.reach;  // input after which an output can be computed
    const total = Math.max(this.made, Math.ceil(((last + 1) * this.up) / this.down));
    const out = new Int16Array(total - this.made);
    for (let at = 0; at < out.length; at++) {
      const place = (this.made + at) * this.down;
      const old = Math.floor(place / this.up);
      const taps = this.phases[place % this.up];
      const start = old - this.reach + 1 - this.first;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) {
        sum += this.held[start + tap] * taps[tap];
      }
      out[at] = saturated(sum / ONE);
    }
    this.made = total;
    const keep = Math.floor((this.made * this.down) / this.up) - this.reach + 1;
    this.held = this.held.slice(keep - this.first);
    this.first = keep;
    return out;
  }

  // The rest, with zeros behind the sound.
  end() {
    return this.rate === SAMPLE_RATE ? new Int16Array(0) : this.push(new Float64Array(this.reach));
  }
}

function saturated(value) {
  return Math.max(-32768, Math.min(32767, Math.floor(value + 0.5)));
}

// A whole sound.
function to16kHz(samples, rate) {
  const resampler = new Resampler(rate);
  return joined(Int16Array, [resampler.push(samples), resampler.end()]);
}
