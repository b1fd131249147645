// The address is the state: path, filters and language. A tiny router over the
// History API; it keeps `lang` across links and nothing else.
import { useSyncExternalStore } from "react";

const MOVED = "sycee:moved";

export interface Place {
  path: string;
  query: URLSearchParams;
}

function subscribe(onMove: () => void): () => void {
  window.addEventListener("popstate", onMove);
  window.addEventListener(MOVED, onMove);
  return () => {
    window.removeEventListener("popstate", onMove);
    window.removeEventListener(MOVED, onMove);
  };
}

const address = () => window.location.pathname + window.location.search;

export function usePlace(): Place {
  const now = useSyncExternalStore(subscribe, address);
  const url = new URL(now, window.location.origin);
  return { path: url.pathname.replace(/(.)\/+$/, "$1"), query: url.searchParams };
}

/** An address within the console that keeps the chosen language. */
export function hrefTo(path: string): string {
  const url = new URL(path, window.location.origin);
  const lang = new URLSearchParams(window.location.search).get("lang");
  if (lang && !url.searchParams.has("lang")) url.searchParams.set("lang", lang);
  return url.pathname + url.search;
}

export function go(path: string, how: "push" | "replace" = "push"): void {
  const href = hrefTo(path);
  if (how === "push") window.history.pushState(null, "", href);
  else window.history.replaceState(null, "", href);
  window.dispatchEvent(new Event(MOVED));
  if (how === "push") window.scrollTo(0, 0);
}

/** Changes some of the address's query in place; null removes a key. */
export function setQuery(changes: Record<string, string | null>): void {
  const url = new URL(window.location.href);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  window.history.replaceState(null, "", url.pathname + url.search);
  window.dispatchEvent(new Event(MOVED));
}

/** Only ids of our own shape, or names of house accounts, become part of an API path. */
export function idFrom(path: string, prefix: string): string | null {
  return path.startsWith(prefix) &&
    /^([a-z]{3}_[0-9a-f]{32}|house_[a-z]+_[A-Z0-9]+)$/.test(path.slice(prefix.length))
    ? path.slice(prefix.length)
    : null;
}
