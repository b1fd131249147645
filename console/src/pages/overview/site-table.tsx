// Sites with what decides where tokens are made: power price, joules per
// token, price, and the load of the last minute.
import type { Ref } from "react";
import type { OverviewSite } from "../../api/types";
import { setQuery } from "../../app/location";
import { rate, significant } from "../../format/numbers";
import { clockSince } from "../../format/times";
import { Badge, Nothing, Price, Simulated, Standing } from "../../parts/figures";
import { Sparkline } from "../../parts/sparkline";
import { useText } from "../../text/text";
import type { Trace } from "./flow-section";

export function SiteTable({
  ref,
  sites,
  asset,
  cheapest,
  open,
  onTrace,
}: {
  ref: Ref<HTMLTableElement>;
  sites: readonly OverviewSite[];
  asset: string;
  cheapest: OverviewSite | null;
  open: string | null;
  onTrace: (trace: Trace | null) => void;
}) {
  const { t } = useText();
  const top = Math.max(0, ...sites.flatMap(({ load }) => load));
  return (
    <div className="site-table-wrap">
      <table className={`site-table ${sites.length > 6 ? "site-table-dense" : ""}`} ref={ref}>
        <caption className="unseen">{t("sites.caption")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("sites.site")}</th>
            <th scope="col" className="num">
              {t("sites.power")}
              <span className="unit">{t("unit.per_kwh", { asset })}</span>
            </th>
            <th scope="col" className="num">
              {t("sites.energy")}
              <span className="unit">{t("unit.j_per_token")}</span>
            </th>
            <th scope="col" className="num">
              {t("sites.price")}
              <span className="unit">{t("unit.per_million", { asset })}</span>
            </th>
            <th scope="col" className="site-load-column">
              {t("sites.load")}
              <span className="unit">{t("unit.last_minute")}</span>
            </th>
            <th scope="col" className="num">
              {t("sites.tokens")}
              <span className="unit">{t("unit.per_s")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sites.map((site) => (
            <SiteRow
              key={site.id}
              site={site}
              top={top}
              isCheapest={site.id === cheapest?.id}
              isOpen={site.id === open}
              onTrace={onTrace}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Silent where all is well. */
function SiteState({ site }: { site: OverviewSite }) {
  const { t, word, locale } = useText();
  if (site.healthy) return null;
  const state = word("site_state", site.state);
  if (!site.failing_since) return <Standing tone="bad">{state}</Standing>;
  const at = clockSince(new Date(site.failing_since), new Date(), locale);
  return <Standing tone="warn">{t("sites.since", { state, at })}</Standing>;
}

function SiteRow({
  site,
  top,
  isCheapest,
  isOpen,
  onTrace,
}: {
  site: OverviewSite;
  top: number;
  isCheapest: boolean;
  isOpen: boolean;
  onTrace: (trace: Trace | null) => void;
}) {
  const { t, lang, locale } = useText();
  return (
    <tr
      className={isCheapest ? "site-cheapest" : undefined}
      onPointerEnter={() => onTrace({ column: "site", id: site.id })}
      onPointerLeave={() => onTrace(null)}
    >
      <th scope="row">
        <button
          type="button"
          className="site-name"
          title={site.name}
          aria-expanded={isOpen}
          aria-controls="site-explanation"
          onClick={() => setQuery({ site: isOpen ? null : site.id })}
        >
          {site.name}
        </button>
        <span className="site-where">
          {lang === "zh" ? site.region_zh : site.region}
          {site.simulated && <Simulated name={site.name} />}
          {isCheapest && <span className="cheapest-mark">{t("sites.cheapest")}</span>}
          <SiteState site={site} />
        </span>
      </th>
      <td className="num">
        <Price amount={site.power_price} />
        <Badge of={site.badge} />
      </td>
      <td className="num">
        {site.joules_per_token ? (
          <>
            {significant(site.joules_per_token, locale)}
            <Badge of={site.badge} />
          </>
        ) : (
          <Nothing />
        )}
      </td>
      <td className="num">
        <Price amount={site.price_output} />
      </td>
      <td className="site-load-column">
        <Sparkline values={site.load} top={top} />
      </td>
      <td className="num">{rate(site.tokens_per_s, locale)}</td>
    </tr>
  );
}
