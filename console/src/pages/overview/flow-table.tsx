// The same flow in rows, largest first: for those who read rather than look.
import { useNames } from "../../api/queries";
import type { Overview, OverviewSite } from "../../api/types";
import { count, percent } from "../../format/numbers";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";

export function FlowTable({ overview, sites }: { overview: Overview; sites: readonly OverviewSite[] }) {
  const { t, locale } = useText();
  const nameOf = useNames();
  const siteName = (id: string) => sites.find((site) => site.id === id)?.name ?? nameOf(id);
  const flows = [...overview.flows].sort((a, b) => b.tokens_per_min - a.tokens_per_min);
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
          {flows.map(({ site, model, consumer, tokens_per_min }) => (
            <tr key={`${site} ${model} ${consumer}`}>
              <td>{siteName(site)}</td>
              <td>{nameOf(model)}</td>
              <td>{nameOf(consumer)}</td>
              <td className="num">{count(tokens_per_min, locale)}</td>
              <td className="num">{percent((tokens_per_min / total) * 1_000_000, locale)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
