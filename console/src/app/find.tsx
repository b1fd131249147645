// Search: a pasted id opens its page at once; other text is looked for among
// pages, accounts, sites and models.
import { type FormEvent, type KeyboardEvent, useMemo, useRef, useState } from "react";
import { useCatalog, useSession } from "../api/queries";
import { Dialog } from "../parts/dialog";
import { type TextKey, useText } from "../text/text";
import { go, hrefTo, idFrom } from "./location";

interface Hit {
  kind: TextKey;
  name: string;
  path: string;
}

const HITS_SHOWN = 8;

export function Find({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const [asked, setAsked] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const hits = useHits(asked.trim());

  const open = (path: string) => {
    onClose();
    go(path);
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (hits[0]) open(hits[0].path);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const stops = [input.current, ...(list.current?.querySelectorAll("a") ?? [])];
    const at = stops.indexOf(document.activeElement as HTMLAnchorElement);
    stops[Math.max(0, Math.min(stops.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))]?.focus();
  };

  return (
    <Dialog title={t("find.title")} onClose={onClose}>
      <form onSubmit={onSubmit} onKeyDown={onKeyDown} className="find">
        <input
          ref={input}
          type="search"
          value={asked}
          onChange={(event) => setAsked(event.target.value)}
          aria-label={t("find.label")}
          placeholder={t("find.placeholder")}
          autoComplete="off"
          spellCheck={false}
        />
        <ul ref={list}>
          {hits.map(({ kind, name, path }) => (
            <li key={path + name}>
              <a
                href={hrefTo(path)}
                onClick={(event) => {
                  event.preventDefault();
                  open(path);
                }}
              >
                <span>{name}</span>
                <span className="quiet">{t(kind)}</span>
              </a>
            </li>
          ))}
        </ul>
        <p role="status" className="quiet">
          {asked.trim() && hits.length === 0 ? t("find.none") : ""}
        </p>
      </form>
    </Dialog>
  );
}

function useHits(asked: string): Hit[] {
  const { t } = useText();
  const { data: catalog } = useCatalog();
  const { data: session } = useSession();

  const all = useMemo(() => {
    const hits: Hit[] = [
      { kind: "find.page", name: t("nav.overview"), path: "/" },
      { kind: "find.page", name: t("nav.receipts"), path: "/receipts" },
      { kind: "find.page", name: t("nav.accounts"), path: "/accounts" },
      { kind: "find.page", name: t("nav.catalog"), path: "/catalog" },
    ];
    for (const { id, name } of session?.accounts ?? []) {
      hits.push({ kind: "find.account", name, path: `/accounts/${id}` });
    }
    for (const { name } of catalog?.sites ?? []) {
      hits.push({ kind: "find.site", name, path: `/catalog?find=${encodeURIComponent(name)}` });
    }
    for (const { name } of catalog?.models ?? []) {
      hits.push({ kind: "find.model", name, path: `/catalog?find=${encodeURIComponent(name)}` });
    }
    return hits;
  }, [t, catalog, session]);

  if (idFrom(asked, "") !== null) {
    if (asked.startsWith("req_")) return [{ kind: "find.receipt", name: asked, path: `/receipts/${asked}` }];
    if (asked.startsWith("acc_")) return [{ kind: "find.account", name: asked, path: `/accounts/${asked}` }];
  }
  const wanted = asked.toLowerCase();
  return all.filter(({ name }) => name.toLowerCase().includes(wanted)).slice(0, HITS_SHOWN);
}
