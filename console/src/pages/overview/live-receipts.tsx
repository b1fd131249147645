// Receipts as they settle, newest first. Paused, the list stands still for
// reading while the page goes on counting what came meanwhile.
import { useEffect, useRef, useState } from "react";
import type { OverviewReceipt } from "../../api/types";
import { hrefTo } from "../../app/location";
import { clock } from "../../format/times";
import { Command } from "../../parts/figures";
import { Empty } from "../../parts/states";
import { useText } from "../../text/text";
import { ReceiptTable } from "../receipt/receipt-table";

interface Paused {
  at: Date;
  receipts: OverviewReceipt[];
}

export function LiveReceipts({ receipts, asset }: { receipts: OverviewReceipt[]; asset: string }) {
  const { t, locale } = useText();
  const [paused, setPaused] = useState<Paused | null>(null);
  const meanwhile = useMeanwhile(receipts, paused);
  const shown = paused?.receipts ?? receipts;

  return (
    <section aria-label={t("live.title")} className="live-receipts">
      <div className="section-head">
        <h2 className="section-title">{t("live.title")}</h2>
        <p className="section-note" role="status">
          {paused ? t("live.paused", { at: clock(paused.at, locale), n: meanwhile }) : t("live.note")}
        </p>
        <a href={hrefTo("/receipts")}>{t("live.all")}</a>
        {shown.length > 0 && (
          <button
            type="button"
            className="button"
            aria-pressed={paused !== null}
            onClick={() => setPaused(paused ? null : { at: new Date(), receipts })}
          >
            {paused ? t("live.resume") : t("live.pause")}
          </button>
        )}
      </div>
      {shown.length === 0 ? (
        <Empty title={t("live.empty")}>
          <p>{t("live.empty.how")}</p>
          <Command text={firstRequest()} />
        </Empty>
      ) : (
        <ReceiptTable caption={t("live.title")} asset={asset} marksNew={paused === null} rows={shown} />
      )}
    </section>
  );
}

/** Counts the receipts that settled since the pause; each is counted once. */
function useMeanwhile(receipts: readonly OverviewReceipt[], paused: Paused | null): number {
  const seen = useRef(new Set<string>());
  const [number, setNumber] = useState(0);
  useEffect(() => {
    if (!paused) {
      seen.current.clear();
      setNumber(0);
      return;
    }
    const shown = new Set(paused.receipts.map(({ id }) => id));
    for (const { id } of receipts) if (!shown.has(id)) seen.current.add(id);
    setNumber(seen.current.size);
  }, [receipts, paused]);
  return number;
}

function firstRequest(): string {
  return [
    `curl ${window.location.origin}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer $SYCEE_KEY" -H "Content-Type: application/json" \\`,
    `  -d '{"model":"MODEL","messages":[{"role":"user","content":"Hello"}]}'`,
  ].join("\n");
}
