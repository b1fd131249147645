// Rows that the arrow keys reach: from the link of one row, up, down, Home and
// End move to the link of another. Tab order stays the browser's.
import { type KeyboardEvent, type ReactNode, useRef } from "react";

export function ArrowRows({ children }: { children: ReactNode }) {
  const body = useRef<HTMLTableSectionElement>(null);

  const onKeyDown = (event: KeyboardEvent) => {
    const rows = [...(body.current?.querySelectorAll<HTMLElement>("[data-row-link]") ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
  };

  return (
    <tbody ref={body} onKeyDown={onKeyDown}>
      {children}
    </tbody>
  );
}

/** A table that may be wider than a narrow screen scrolls by itself, by keyboard too. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
    <section className="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
