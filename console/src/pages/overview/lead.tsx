// Three answers for a second of attention.
import { useHealth } from "../../api/queries";
import type { Overview, OverviewSite } from "../../api/types";
import { count, percent } from "../../format/numbers";
import { Price, Standing } from "../../parts/figures";
import { Say, useText } from "../../text/text";

export function Lead({
  overview,
  sites,
  cheapest,
}: {
  overview: Overview;
  sites: readonly OverviewSite[];
  cheapest: OverviewSite | null;
}) {
  const { t } = useText();
  return (
    <section className="lead" aria-label={t("lead.label")}>
      <State overview={overview} sites={sites} />
      <Flowing overview={overview} sites={sites} />
      <div>
        <h2>{t("lead.cheapest")}</h2>
        {cheapest ? (
          <>
            <p className="lead-answer" title={cheapest.name}>
              {cheapest.name}
            </p>
            <p className="lead-why">
              <Say
                of="lead.cheapest.why"
                price={<Price amount={cheapest.price_output} />}
                power={<Price amount={cheapest.power_price} />}
                asset={overview.asset}
              />
            </p>
          </>
        ) : (
          <p className="lead-answer quiet">{t("lead.none")}</p>
        )}
      </div>
    </section>
  );
}

function State({ overview, sites }: { overview: Overview; sites: readonly OverviewSite[] }) {
  const { t } = useText();
  const { data: health } = useHealth();
  const degraded = sites.filter(({ state }) => state === "degraded");
  const down = sites.filter(({ healthy, state }) => !healthy && state !== "degraded");
  const serving = sites.length - down.length;
  const some = (those: OverviewSite[]) =>
    those
      .slice(0, 3)
      .map(({ name }) => name)
      .join(", ");
  const reasons = health?.reasons ?? [];
  const stopped = health?.status === "stopped";
  return (
    <div>
      <h2>{t("lead.state")}</h2>
      <p className="lead-answer">
        {overview.healthy && degraded.length === 0 ? (
          <Standing tone="good">{t("health.ok")}</Standing>
        ) : (
          <Standing tone={stopped ? "bad" : "warn"}>
            {t(stopped ? "health.stopped" : "health.degraded")}
          </Standing>
        )}
      </p>
      <p className="lead-why">
        {sites.length === 0
          ? t("lead.no_sites")
          : t("lead.serving", { serving, all: sites.length, n: sites.length })}
        {degraded.length > 0 && <> {t("lead.degraded", { names: some(degraded) })}</>}
        {down.length > 0 && <> {t("lead.down", { names: some(down) })}</>}
        {!overview.healthy && reasons.length > 0 && <> {reasons.join(" ")}</>}
      </p>
    </div>
  );
}

function Flowing({ overview, sites }: { overview: Overview; sites: readonly OverviewSite[] }) {
  const { t, locale } = useText();
  const tokens = new Map<string, number>();
  let total = 0;
  for (const { site, tokens_per_min } of overview.flows) {
    tokens.set(site, (tokens.get(site) ?? 0) + tokens_per_min);
    total += tokens_per_min;
  }
  const busiest = [...sites].sort((a, b) => (tokens.get(b.id) ?? 0) - (tokens.get(a.id) ?? 0))[0];
  const share = busiest && total > 0 ? ((tokens.get(busiest.id) ?? 0) / total) * 1_000_000 : 0;
  return (
    <div>
      <h2>{t("lead.flow")}</h2>
      {busiest && share > 0 ? (
        <>
          <p className="lead-answer" title={busiest.name}>
            {busiest.name}
          </p>
          <p className="lead-why">
            {t("lead.flow.why", { share: percent(share, locale, 0), tokens: count(total, locale) })}
          </p>
        </>
      ) : (
        <>
          <p className="lead-answer quiet">{t("lead.quiet")}</p>
          <p className="lead-why">{t("lead.quiet.why")}</p>
        </>
      )}
    </div>
  );
}
