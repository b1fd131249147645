// The smallest parts: how an amount, a time, an id, a badge and a tag look.
import { useState } from "react";
import type { OverviewSite } from "../api/types";
import { hrefTo } from "../app/location";
import { briefMoney, exactMoney, moneyText, parseMoney } from "../format/money";
import { clock, dayAndClock, dayClockAndZone } from "../format/times";
import { useText } from "../text/text";

type Amount = string | null | undefined;

/** Where a figure does not apply. */
export function Nothing() {
  const { t } = useText();
  return <span className="quiet">{t("none")}</span>;
}

/** Every decimal of the asset, the completing zeros in quiet ink. */
export function Exact({ amount }: { amount: Amount }) {
  const { locale } = useText();
  if (!amount) return <Nothing />;
  const { value, zeros } = moneyText(parseMoney(amount), locale);
  return (
    <span className="money">
      {value}
      {zeros && <span className="money-zeros">{zeros}</span>}
    </span>
  );
}

/** A price: exact, without the zeros that say nothing; all of them on hover. */
export function Price({ amount }: { amount: Amount }) {
  const { locale } = useText();
  if (!amount) return <Nothing />;
  return (
    <span className="money" title={exactMoney(amount, locale)}>
      {briefMoney(amount, locale)}
    </span>
  );
}

const SHAPES = { clock, dayAndClock, dayClockAndZone };

/** A time in the reader's zone; UTC on hover, as the log has it. */
export function Time({ at, as = "dayAndClock" }: { at: string; as?: keyof typeof SHAPES }) {
  const { locale } = useText();
  return (
    <time dateTime={at} title={at.replace("T", " ").replace("Z", " UTC")}>
      {SHAPES[as](new Date(at), locale)}
    </time>
  );
}

/** An id or hash, shortened in the middle where a table has no room for all of it. */
export function Id({ value, short = false }: { value: string; short?: boolean }) {
  if (!short) return <code className="id">{value}</code>;
  const mark = value.indexOf("_") + 1;
  return (
    <code className="id id-short" title={value}>
      {value.slice(0, mark)}
      {mark > 0 && value.length > 16 ? "…" : ""}
      {value.length > 16 ? value.slice(-8) : value.slice(mark)}
    </code>
  );
}

export function ReceiptLink({ id, short = true }: { id: string; short?: boolean }) {
  return (
    <a href={hrefTo(`/receipts/${id}`)}>
      <Id value={id} short={short} />
    </a>
  );
}

/** How a figure is known. A measured one needs no mark beside others. */
export function Badge({ of }: { of: OverviewSite["badge"] }) {
  const { word } = useText();
  return <span className={`badge badge-${of}`}>{word("badge", of)}</span>;
}

/** Says that a site is simulated, unless its name already does in this language. */
export function Simulated({ name }: { name: string | null | undefined }) {
  const { t } = useText();
  if (name?.includes(t("site.simulated"))) return null;
  return <span className="tag">{t("site.simulated")}</span>;
}

/** A state that may need a person: the colour never stands without its word. */
export function Standing({ tone, children }: { tone: "good" | "warn" | "bad" | "quiet"; children: string }) {
  return (
    <span className={`standing standing-${tone}`}>
      <span className="standing-dot" aria-hidden="true" />
      {children}
    </span>
  );
}

/** A party by name; a house account is no member and has a name in each language. */
export function Party({ name, account }: { name: string; account: string }) {
  const { word } = useText();
  return account.startsWith("house_") ? word("party", name) : name;
}

export function Copy({ text }: { text: string }) {
  const { t } = useText();
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <button type="button" className="quiet-button no-print" onClick={copy}>
      <span aria-live="polite">{done ? t("copy.done") : t("copy")}</span>
    </button>
  );
}

/** A command or a request that can be copied as it stands. */
export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <pre>
        <code>{text}</code>
      </pre>
      <Copy text={text} />
    </div>
  );
}
