// The same flow in rows, largest first: for those who read rather than look.
import type { OverviewSite } from "../../api/types";
import { count, percent } from "../../format/numbers";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";
import type { Flow } from "./flow-layout";

export function FlowTable({ flows, sites }: { flows: readonly Flow[]; sites: readonly OverviewSite[] }) {
  const { t, locale } = useText();
  const siteName = (id: string) => sites.find((site) => site.id === id)?.name ?? id;
  const sorted = [...flows].sort((a, b) => b.tokens_per_min - a.tokens_per_min);
  const total = flows.reduce((sum, { tokens_per_min }) => sum + tokens_per_min, 0);
  return (
    <Scroll label={t("flow.title")}>
      <table>
        <caption className="unseen">{t("flow.title")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("sites.site")}</th>
            <th scope="col">{t("receipts.model")}</th>
            <th scope="col">{t("receipts.consumer")}</th>
            <th scope="col" className="num">
              {t("flow.tokens_per_min")}
            </th>
            <th scope="col" className="num">
              {t("split.share")}
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ site, model, consumer, tokens_per_min }) => (
            <tr key={`${site} ${model} ${consumer}`}>
              <td>{siteName(site)}</td>
              <td>{model}</td>
              <td>{consumer}</td>
              <td className="num">{count(tokens_per_min, locale)}</td>
              <td className="num">{percent((tokens_per_min / total) * 1_000_000, locale)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
