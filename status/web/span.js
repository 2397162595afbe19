// The time that the charts show.
export const WORDS = { "5m": "5 minutes", "1h": "hour", "24h": "24 hours" };
export const SHORT = { "5m": "5 min", "1h": "1 h", "24h": "24 h" };

// span is the time that is chosen. The first one is kept up to date by the stream; the others are
// asked for now and then.
export const span = {
  name: "5m", live: { every: 5, samples: 60 }, long: null, asked: 0,
  none() { return new Array(this.live.samples).fill(0); },
  of(row) {
    const words = WORDS[this.name];
    if (this.name === "5m" || !this.long) return { written: row.written, told: row.told, every: this.live.every, words };
    const c = this.long.charts[row.data.name], empty = () => new Array(this.long.samples).fill(0);
    return { written: c?.written ?? empty(), told: c?.told ?? empty(), every: this.long.every, words };
  },
};
