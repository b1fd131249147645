// Receipts in rows, the same on every page that lists them.
import { useRef } from "react";
import type { Receipt } from "../../api/types";
import { hrefTo } from "../../app/location";
import { count } from "../../format/numbers";
import { Exact, Id, Time } from "../../parts/figures";
import { ArrowRows } from "../../parts/table";
import { useText } from "../../text/text";

export interface ReceiptRow {
  id: string;
  at: string;
  consumer?: string | null;
  model?: string | null;
  site?: string | null;
  finish: Receipt["finish"];
  tokens: number;
  total: string;
  asset: string;
}

export function ReceiptTable({
  caption,
  asset,
  rows,
  marksNew = false,
  withDay = false,
}: {
  caption: string;
  /** Named in the head; a row in another asset names its own. */
  asset: string;
  rows: readonly ReceiptRow[];
  marksNew?: boolean;
  withDay?: boolean;
}) {
  const { t, word, locale } = useText();
  const first = useRef<Set<string> | null>(null);
  first.current ??= new Set(rows.map(({ id }) => id));
  const isNew = (id: string) => marksNew && !first.current?.has(id);

  return (
    <table className="receipt-table">
      <caption className="unseen">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t("receipts.at")}</th>
          <th scope="col">{t("receipts.id")}</th>
          <th scope="col" className="from-900">
            {t("receipts.consumer")}
          </th>
          <th scope="col" className="from-600">
            {t("receipts.model")}
          </th>
          <th scope="col" className="from-600">
            {t("receipts.site")}
          </th>
          <th scope="col" className="from-900">
            {t("receipts.finish")}
          </th>
          <th scope="col" className="num">
            {t("receipts.tokens")}
          </th>
          <th scope="col" className="num">
            {t("receipts.total")}
            <span className="unit">{asset}</span>
          </th>
        </tr>
      </thead>
      <ArrowRows>
        {rows.map((row) => (
          <tr key={row.id} className={isNew(row.id) ? "row-new" : undefined}>
            <td className="nowrap">
              <Time at={row.at} as={withDay ? "dayAndClock" : "clock"} />
            </td>
            <td>
              <a href={hrefTo(`/receipts/${row.id}`)} data-row-link>
                <Id value={row.id} short />
              </a>
            </td>
            <td className="from-900 clip">{row.consumer ?? t("receipts.unnamed")}</td>
            <td className="from-600 clip">{row.model}</td>
            <td className="from-600 clip">{row.site}</td>
            <td className="from-900 quiet">{word("finish", row.finish)}</td>
            <td className="num">{count(row.tokens, locale)}</td>
            <td className="num">
              <Exact amount={row.total} />
              {row.asset !== asset && <> {row.asset}</>}
            </td>
          </tr>
        ))}
      </ArrowRows>
    </table>
  );
}
