// Counts, rates and shares as text. Formatters are costly to build and are kept.
const kept = new Map<string, Intl.NumberFormat>();

function formatter(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale + JSON.stringify(options);
  let made = kept.get(key);
  if (!made) {
    made = new Intl.NumberFormat(locale, options);
    kept.set(key, made);
  }
  return made;
}

export function count(value: number, locale: string): string {
  return formatter(locale, { maximumFractionDigits: 0 }).format(value);
}

/** Rates keep three digits that matter, so that a small one does not read as zero. */
export function rate(value: number, locale: string): string {
  const decimals = value >= 100 || value === 0 ? 0 : value >= 10 ? 1 : 2;
  return formatter(locale, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(
    value,
  );
}

export function significant(value: number, locale: string, digits = 3): string {
  return formatter(locale, { maximumSignificantDigits: digits }).format(value);
}

export function percent(ppm: number, locale: string, decimals = 1): string {
  return formatter(locale, {
    style: "percent",
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(ppm / 1_000_000);
}
