// Times in the reader's zone; the exact UTC text stays one hover away.
const CLOCK: Intl.DateTimeFormatOptions = {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
};
const DAY: Intl.DateTimeFormatOptions = { year: "numeric", month: "short", day: "numeric" };

export function clock(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, CLOCK).format(at);
}

export function dayAndClock(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { ...DAY, ...CLOCK }).format(at);
}

/** The clock alone on the reader's own day, with the day before that. */
export function clockSince(at: Date, now: Date, locale: string): string {
  return at.toDateString() === now.toDateString() ? clock(at, locale) : dayAndClock(at, locale);
}

export function dayClockAndZone(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { ...DAY, ...CLOCK, timeZoneName: "short" }).format(at);
}

/** Milliseconds up to a second, seconds above. */
export function duration(ms: number, locale: string): { value: string; unit: "ms" | "s" } {
  const short = ms < 1_000;
  const value = new Intl.NumberFormat(locale, {
    maximumFractionDigits: short ? (ms < 10 ? 1 : 0) : 2,
  }).format(short ? ms : ms / 1_000);
  return { value, unit: short ? "ms" : "s" };
}
