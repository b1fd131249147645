// What every page has around it: where one is, where one can go, who one is,
// and at the foot which log the figures come from.
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useHealth, useSession, useSessionChange } from "../api/queries";
import { count } from "../format/numbers";
import { Id } from "../parts/figures";
import { chooseLang, type TextKey, useText } from "../text/text";
import { Find } from "./find";
import { Help } from "./help";
import { usePageKeys } from "./keyboard";
import { go, hrefTo } from "./location";
import { chooseTheme, useTheme } from "./theme";

const PAGES: { path: string; name: TextKey }[] = [
  { path: "/", name: "nav.overview" },
  { path: "/receipts", name: "nav.receipts" },
  { path: "/accounts", name: "nav.accounts" },
  { path: "/catalog", name: "nav.catalog" },
];

export function Frame({ path, children }: { path: string; children: ReactNode }) {
  const { t, lang } = useText();
  const { data: session } = useSession();
  const theme = useTheme();
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    // A reader of the screen hears the new page, not the link that was followed.
    if (shown.current !== path) main.current?.focus({ preventScroll: true });
    shown.current = path;
  }, [path]);
  const [asking, setAsking] = useState<"find" | "help" | null>(null);
  usePageKeys(useMemo(() => ({ find: () => setAsking("find"), help: () => setAsking("help") }), []));

  return (
    <>
      <a className="skip" href="#main">
        {t("nav.skip")}
      </a>
      <header className="top">
        <a className="brand" href={hrefTo("/")}>
          <Mark />
          Sycee
        </a>
        {session && (
          <nav aria-label={t("nav.label")}>
            {PAGES.map((page) => (
              <a
                key={page.path}
                href={hrefTo(page.path)}
                aria-current={isWithin(path, page.path) ? "page" : undefined}
              >
                {t(page.name)}
              </a>
            ))}
          </nav>
        )}
        <div className="top-tools">
          {session && (
            <button type="button" className="find-button" onClick={() => setAsking("find")}>
              <span>{t("find.button")}</span> <kbd>/</kbd>
            </button>
          )}
          <button
            type="button"
            className="quiet-button"
            lang={lang === "en" ? "zh-CN" : "en"}
            onClick={() => chooseLang(lang === "en" ? "zh" : "en")}
          >
            {t("lang.other")}
          </button>
          <button
            type="button"
            className="quiet-button"
            onClick={() => chooseTheme(theme === "dark" ? "light" : "dark")}
          >
            {theme === "dark" ? t("theme.light") : t("theme.dark")}
          </button>
          {session && <Member name={session.member.name} />}
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <Foot onHelp={() => setAsking("help")} />
      {asking === "find" && <Find onClose={() => setAsking(null)} />}
      {asking === "help" && <Help onClose={() => setAsking(null)} />}
    </>
  );
}

function Member({ name }: { name: string }) {
  const { t } = useText();
  const session = useSessionChange();
  const leave = async () => {
    await session.close();
    go("/sign-in");
  };
  return (
    <>
      <span className="member" title={t("member.signed_in")}>
        {name}
      </span>
      <button type="button" className="quiet-button" onClick={leave}>
        {t("member.sign_out")}
      </button>
    </>
  );
}

function Foot({ onHelp }: { onHelp: () => void }) {
  const { t, locale } = useText();
  const { data: health } = useHealth();
  return (
    <footer className="foot">
      {health && (
        <>
          <span>
            {t("foot.log")} <Id value={health.log_id} short />
          </span>
          <span>
            {t("foot.durable")} <span className="number">{count(health.durable_position, locale)}</span>
          </span>
          <span>
            {t("foot.version")} <span className="number">{health.version}</span>
          </span>
        </>
      )}
      <a href="/api/v1/openapi.json">{t("foot.api")}</a>
      <button type="button" className="link-button" onClick={onHelp}>
        {t("help.title")} <kbd>?</kbd>
      </button>
    </footer>
  );
}

function isWithin(path: string, page: string): boolean {
  return page === "/" ? path === "/" : path === page || path.startsWith(`${page}/`);
}

/** A sycee: a boat-shaped ingot, weighed and stamped. */
function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <path fill="currentColor" d="M2 9c3 1 5 2 7 2a7 5.6 0 0 1 14 0c2 0 4-1 7-2 0 9-5 15-14 15S2 18 2 9Z" />
    </svg>
  );
}
