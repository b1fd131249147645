// Sizes that only the browser knows, kept up to date.
import { type RefObject, useLayoutEffect, useState, useSyncExternalStore } from "react";

export function useWidth(of: RefObject<Element | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = of.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.getBoundingClientRect().width)));
    observer.observe(element);
    setWidth(Math.floor(element.getBoundingClientRect().width));
    return () => observer.disconnect();
  }, [of]);
  return width;
}

export interface RowBox {
  top: number;
  height: number;
}

/** Where the body rows of a table are, so that a drawing beside it can continue them. */
export function useRowBoxes(of: RefObject<HTMLTableElement | null>, rows: number): RowBox[] {
  const [boxes, setBoxes] = useState<RowBox[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another number of rows has to be measured anew
  useLayoutEffect(() => {
    const table = of.current;
    if (!table) return;
    const measure = () => {
      const found = [...table.querySelectorAll<HTMLElement>("tbody tr")];
      const next = found.map((row) => ({ top: row.offsetTop, height: row.offsetHeight }));
      setBoxes((kept) => (JSON.stringify(kept) === JSON.stringify(next) ? kept : next));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(table);
    measure();
    return () => observer.disconnect();
  }, [of, rows]);
  return boxes;
}

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (onChange) => {
      const media = window.matchMedia(query);
      media.addEventListener("change", onChange);
      return () => media.removeEventListener("change", onChange);
    },
    () => window.matchMedia(query).matches,
  );
}
