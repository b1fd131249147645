// The operator's glance. From top to bottom: is it healthy, where do tokens
// go, where is it cheap now; the figures of this second; the picture of the
// flow; and the receipts as they settle.

import { useOverviewStream } from "../../api/live";
import { useOverview } from "../../api/queries";
import type { OverviewSite } from "../../api/types";
import { useTitle } from "../../app/title";
import { compareMoney, parseMoney } from "../../format/money";
import { clock } from "../../format/times";
import { ProblemNote } from "../../parts/states";
import { useText } from "../../text/text";
import { FlowSection } from "./flow-section";
import { Lead } from "./lead";
import { LiveReceipts } from "./live-receipts";
import { OverviewBones } from "./overview-bones";
import { Strip } from "./strip";

export function OverviewPage() {
  const { t, locale } = useText();
  useTitle(t("nav.overview"));
  const { data, error, refetch } = useOverview();
  const stream = useOverviewStream(data !== undefined);

  if (error && !data) return <ProblemNote cause={error} retry={refetch} />;
  if (!data) return <OverviewBones />;

  const sites = westToEast(data.sites);
  const cheapest = cheapestOf(sites);
  return (
    <div className="overview">
      <h1 className="unseen">{t("nav.overview")}</h1>
      {stream.state === "lost" && (
        <p className="stale" role="status">
          <strong>{t("stale.word")}</strong> {t("stale.text", { at: clock(stream.since, locale) })}
        </p>
      )}
      <Lead overview={data} sites={sites} cheapest={cheapest} />
      <Strip overview={data} sites={sites} />
      <FlowSection overview={data} sites={sites} cheapest={cheapest} />
      <LiveReceipts receipts={data.receipts} asset={data.asset} />
    </div>
  );
}

function westToEast(sites: readonly OverviewSite[]): OverviewSite[] {
  return [...sites].sort((a, b) => a.longitude - b.longitude);
}

/** Among sites that serve now; one that is down is not cheap, it is absent. */
function cheapestOf(sites: readonly OverviewSite[]): OverviewSite | null {
  let found: OverviewSite | null = null;
  for (const site of sites) {
    if (!site.healthy || !site.price_output) continue;
    if (
      !found?.price_output ||
      compareMoney(parseMoney(site.price_output), parseMoney(found.price_output)) < 0
    )
      found = site;
  }
  return found;
}
