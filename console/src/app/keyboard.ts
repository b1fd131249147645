// Page-wide keys. They are silent while a person types and while a modifier is
// held, so they take nothing from the browser or from assistive technology.
import { useEffect } from "react";
import { go } from "./location";

const PAGES: Record<string, string> = { o: "/", r: "/receipts", a: "/accounts", c: "/catalog" };
const PAIR_MS = 1_500;

export function usePageKeys(open: { find: () => void; help: () => void }): void {
  useEffect(() => {
    let wentAt = 0;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
      const paired = event.timeStamp - wentAt < PAIR_MS;
      wentAt = 0;
      const page = paired ? PAGES[event.key] : undefined;
      if (page) {
        event.preventDefault();
        go(page);
      } else if (event.key === "g") {
        wentAt = event.timeStamp;
      } else if (event.key === "/") {
        event.preventDefault();
        open.find();
      } else if (event.key === "?") {
        event.preventDefault();
        open.help();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [open]);
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.closest("input, textarea, select, dialog") !== null || target.isContentEditable)
  );
}
